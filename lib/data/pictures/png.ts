// PNG pictures (not interlaced; any bit depth and colour type of the standard) with Node's own zlib. ISO/IEC 15948.
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';

import { OneSpikeError } from '../../errors';
import { crc32 } from '../../io/binary/crc';
import type { Picture } from './picture';

const inflateAsync = promisify(inflate);
/**
 * Chunks of pixels: writers make one for every 8 KiB or more. An empty one of 12 bytes takes ten times that in memory.
 */
const MOST_CHUNKS = 2 ** 17;
/** Read once: in a vm context every access to a global is slow, and this one happens per byte. */
const { abs } = Math;
/** What every PNG file begins with. */
export const PNG_MAGIC = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Colour type -> samples per pixel and allowed depths. */
const colourTypes: Record<number, { samples: number; depths: number[] } | undefined> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] }, // grey
  2: { samples: 3, depths: [8, 16] }, // colour
  3: { samples: 1, depths: [1, 2, 4, 8] }, // palette
  4: { samples: 2, depths: [8, 16] }, // grey, alpha
  6: { samples: 4, depths: [8, 16] }, // colour, alpha
};

export function isPng(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && PNG_MAGIC.equals(bytes.subarray(0, 8));
}

interface Chunks {
  header: Buffer;
  palette: Buffer | undefined;
  transparency: Buffer | undefined;
  data: Buffer;
}

function readChunks(bytes: Buffer, origin: string): Chunks {
  const single = new Map<string, Buffer>();
  const data: Buffer[] = [];
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a PNG chunk at byte ${at} of ${origin} but received the end of the file`,
      );
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const end = at + 12 + length;
    if (end > bytes.length)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a PNG chunk of ${length} bytes at byte ${at} of ${origin} but received ${bytes.length - at - 12}`,
      );
    if (crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4)) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected the right checksum at byte ${end - 4} of ${origin} but received another: the PNG chunk at byte ${at} is damaged`,
      );
    }
    const content = bytes.subarray(at + 8, end - 4);
    if (at === 8 && (type !== 'IHDR' || length !== 13))
      throw new OneSpikeError('ERR_FORMAT', `Expected the PNG chunk IHDR at byte 8 of ${origin} but received another`);
    if (type === 'IEND') break;
    if (type === 'IDAT' && data.push(content) > MOST_CHUNKS)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected at most ${MOST_CHUNKS} PNG chunks of pixels in ${origin} but received more`,
      );
    if (type !== 'IDAT' && !single.has(type)) single.set(type, content);
    at = end;
  }
  return {
    header: single.get('IHDR') as Buffer,
    palette: single.get('PLTE'),
    transparency: single.get('tRNS'),
    data: Buffer.concat(data),
  };
}

/** Undoes the row filters in place; `rows` holds, per row, a filter byte and `rowBytes` bytes. */
function unfilter(rows: Buffer, height: number, rowBytes: number, pixelBytes: number, origin: string): void {
  for (let y = 0; y < height; y++) {
    const row = y * (rowBytes + 1) + 1;
    const above = row - rowBytes - 1;
    const filter = rows[row - 1]!;
    if (filter > 4)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a PNG filter from 0 to 4 in row ${y} of ${origin} but received ${filter}`,
      );
    for (let i = 0; filter !== 0 && i < rowBytes; i++) {
      const left = i >= pixelBytes ? rows[row + i - pixelBytes]! : 0;
      const up = y > 0 ? rows[above + i]! : 0;
      const corner = y > 0 && i >= pixelBytes ? rows[above + i - pixelBytes]! : 0;
      const guess = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      rows[row + i] = rows[row + i]! + guess;
    }
  }
}

function paeth(left: number, up: number, corner: number): number {
  const toLeft = abs(up - corner);
  const toUp = abs(left - corner);
  const toCorner = abs(left + up - 2 * corner);
  return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
}

/** One sample as it stands in the file, 0..2^depth-1. */
function sampleAt(rows: Buffer, row: number, index: number, depth: number): number {
  if (depth === 8) return rows[row + index]!;
  if (depth === 16) return rows[row + 2 * index]! * 256 + rows[row + 2 * index + 1]!;
  const bit = index * depth;
  return (rows[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

/**
 * Decodes to grey or colour bytes; what is transparent lies on white. Returns null for an interlaced picture, which
 * this reader leaves to others. `maxPixels` bounds width x height before anything is inflated. Errors: ERR_FORMAT
 * naming the place.
 */
export async function decodePng(bytes: Buffer, origin: string, maxPixels: number): Promise<Picture | null> {
  const { header, palette, transparency, data } = readChunks(bytes, origin);
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  // readChunks has checked that the header holds 13 bytes.
  const [depth, colour, compression, filtering, interlacing] = header.subarray(8) as Iterable<number> as [
    number,
    number,
    number,
    number,
    number,
  ];
  const type = colourTypes[colour];
  if (width < 1 || height < 1 || width * height > maxPixels) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected from 1 to ${maxPixels} pixels at byte 16 of ${origin} but received ${width}x${height}`,
    );
  }
  if (type === undefined || !type.depths.includes(depth) || compression !== 0 || filtering !== 0 || interlacing > 1) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a PNG header of the standard at byte 24 of ${origin} but received ${header.subarray(8).toString('hex')}`,
    );
  }
  if (interlacing === 1) return null;
  if (colour === 3 && (palette === undefined || palette.length % 3 !== 0)) {
    throw new OneSpikeError('ERR_FORMAT', `Expected a palette in ${origin} but received none or a broken one`);
  }

  const rowBytes = Math.ceil((width * type.samples * depth) / 8);
  const expected = height * (rowBytes + 1);
  let rows: Buffer;
  try {
    rows = await inflateAsync(data, { maxOutputLength: expected });
  } catch (error) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${expected} intact bytes of pixels in ${origin} but received damaged data: ${(error as Error).message}`,
      { cause: error },
    );
  }
  if (rows.length !== expected)
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${expected} bytes of pixels in ${origin} but received ${rows.length}`,
    );
  unfilter(rows, height, rowBytes, Math.max(1, (type.samples * depth) >> 3), origin);

  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const out = new Uint8Array(width * height * channels);
  const full = 2 ** depth - 1;
  // A transparent colour key, one 16-bit sample per channel (grey and colour only), of which the lowest bits count.
  const key =
    transparency !== undefined && colour !== 3 && transparency.length >= 2 * channels
      ? Array.from({ length: channels }, (_, c) => transparency.readUInt16BE(2 * c) & full)
      : undefined;
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * (rowBytes + 1) + 1;
    for (let x = 0; x < width; x++) {
      let alpha = 1;
      let isKey = key !== undefined;
      const from = x * type.samples;
      if (colour === 3) {
        const index = sampleAt(rows, row, x, depth);
        if (3 * index >= (palette as Buffer).length)
          throw new OneSpikeError(
            'ERR_FORMAT',
            `Expected a palette index below ${(palette as Buffer).length / 3} in row ${y} of ${origin} but received ${index}`,
          );
        if (transparency !== undefined && index < transparency.length) alpha = transparency[index]! / 255;
        for (let c = 0; c < 3; c++) out[to + c] = (palette as Buffer)[3 * index + c]!;
      } else {
        if (type.samples > channels) alpha = sampleAt(rows, row, from + channels, depth) / full;
        for (let c = 0; c < channels; c++) {
          const sample = sampleAt(rows, row, from + c, depth);
          if (key !== undefined && sample !== key[c]) isKey = false;
          out[to + c] = depth === 8 ? sample : Math.round((sample * 255) / full);
        }
        if (isKey) alpha = 0;
      }
      if (alpha < 1) for (let c = 0; c < channels; c++) out[to + c] = Math.round(255 + (out[to + c]! - 255) * alpha);
      to += channels;
    }
  }
  return { width, height, channels, data: out };
}
