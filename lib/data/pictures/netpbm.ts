// Binary PGM (P5) and PPM (P6) pictures: the one image format that is read without any dependency.
import { OneSpikeError } from '../../errors';
import type { Picture } from './picture';

const space = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);

export function isNetpbm(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);
}

interface Header {
  width: number;
  height: number;
  maximum: number;
  /** Where the samples begin. */
  start: number;
}

/** Reads the numbers after the magic; comments run from # to the end of the line. */
function readHeader(bytes: Uint8Array, origin: string): Header {
  let at = 2;
  const next = (name: string): number => {
    while (at < bytes.length && (space.has(bytes[at]!) || bytes[at] === 0x23)) {
      if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a) at++;
      else at++;
    }
    const begin = at;
    let value = 0;
    while (at < bytes.length && bytes[at]! >= 0x30 && bytes[at]! <= 0x39 && at - begin < 7)
      value = value * 10 + bytes[at++]! - 0x30;
    if (at === begin || value < 1 || at >= bytes.length || !space.has(bytes[at]!)) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a positive ${name} followed by a space at byte ${begin} of ${origin} but received something else`,
      );
    }
    return value;
  };
  return { width: next('width'), height: next('height'), maximum: next('maximum'), start: at + 1 };
}

/** `maxPixels` bounds width x height. Errors: ERR_FORMAT naming the byte. */
export function decodeNetpbm(bytes: Uint8Array, origin: string, maxPixels: number): Picture {
  const channels = bytes[1] === 0x35 ? 1 : 3;
  const { width, height, maximum, start } = readHeader(bytes, origin);
  if (width * height > maxPixels) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected at most ${maxPixels} pixels in ${origin} but received ${width}x${height}`,
    );
  }
  if (maximum > 65_535)
    throw new OneSpikeError('ERR_FORMAT', `Expected a maximum from 1 to 65535 in ${origin} but received ${maximum}`);
  const wide = maximum > 255 ? 2 : 1;
  const count = width * height * channels;
  if (bytes.length < start + count * wide) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${count * wide} bytes of samples from byte ${start} of ${origin} but received ${bytes.length - start}`,
    );
  }
  const data = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const sample = wide === 1 ? bytes[start + i]! : bytes[start + 2 * i]! * 256 + bytes[start + 2 * i + 1]!;
    data[i] = maximum === 255 ? sample : Math.round((Math.min(sample, maximum) * 255) / maximum);
  }
  return { width, height, channels, data };
}
