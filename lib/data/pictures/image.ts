// One picture file, brought to the shape a network takes.
import { checkInteger, checkOptions, checkSignal, checkString, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { readBounded } from '../files';
import { decodeNetpbm, isNetpbm } from './netpbm';
import { fitPicture, type Picture } from './picture';
import { decodePng, isPng } from './png';
import { requireSharp, whyNoSharp, type SharpFactory } from './sharp';
import type { ImageShape } from '../types';

/** Larger pictures are refused before they are decoded. */
const MOST_PIXELS = 50_000_000;
const MAX_FILE_BYTES = 256 * 1024 * 1024;

function loadSharp(origin: string): SharpFactory {
  try {
    return requireSharp();
  } catch (error) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a PNG, PPM (P6) or PGM (P5) picture in ${origin} but received another format; ` +
        `JPEG, WebP, AVIF, GIF, TIFF and interlaced PNG need the optional package sharp, which ${whyNoSharp(error)}`,
      { cause: error },
    );
  }
}

/**
 * The formats that sharp is asked to decode, by the bytes that they begin with (AVIF after the length of its first
 * box). It knows others, SVG among them, of which a few hundred bytes can take any time to draw.
 */
const signatures = [
  /^\xff\xd8\xff/,
  /^\x89PNG\r\n/,
  /^GIF8/,
  /^RIFF[^]{4}WEBP/,
  /^(?:II[*+]\0|MM\0[*+])/,
  /^[^]{4}ftyp/,
];

async function decodeWithSharp(bytes: Buffer, origin: string, maxPixels: number): Promise<Picture> {
  const sharp = loadSharp(origin);
  const head = bytes.toString('latin1', 0, 16);
  if (!signatures.some((signature) => signature.test(head)))
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a picture in JPEG, PNG, GIF, WebP, TIFF, AVIF, PPM (P6) or PGM (P5) in ${origin} but received another format`,
    );
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: maxPixels })
      .rotate()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 1 && info.channels !== 3) throw new Error(`${info.channels} channels`);
    return { width: info.width, height: info.height, channels: info.channels, data };
  } catch (error) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a picture in ${origin} but sharp received: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** A picture out of the bytes of its file; `origin` names it in messages. Errors: ERR_FORMAT. */
export async function decodePicture(given: Uint8Array, origin: string, maxPixels = MOST_PIXELS): Promise<Picture> {
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  if (bytes.length === 0)
    throw new OneSpikeError('ERR_FORMAT', `Expected a picture in ${origin} but received an empty file`);
  if (isNetpbm(bytes)) return decodeNetpbm(bytes, origin, maxPixels);
  if (isPng(bytes)) return (await decodePng(bytes, origin, maxPixels)) ?? decodeWithSharp(bytes, origin, maxPixels);
  return decodeWithSharp(bytes, origin, maxPixels);
}

/**
 * Reads a picture file and fits it to `shape`, [channels, height, width]: the centre part of the same proportions is
 * resampled, colour becomes grey or grey becomes colour if the shape asks for it, and transparency is laid on white.
 * PNG, PPM and PGM need no dependency; other formats (JPEG, WebP) need the optional package sharp. Returns bytes (C, H,
 * W).
 *
 * Errors: ERR_IO if unreadable, ERR_FORMAT if it is no picture or sharp is missing, ERR_ARG, ERR_ABORTED.
 */
export async function loadImage(
  path: string,
  shape: ImageShape,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  checkString(path, 'path');
  if (!Array.isArray(shape) || shape.length !== 3) throw expected('[channels, height, width]', 'shape', shape);
  if (shape[0] !== 1 && shape[0] !== 3) throw expected('1 or 3', 'shape[0] (channels)', shape[0]);
  checkInteger(shape[1], 'shape[1] (height)', { min: 1, max: 4096 });
  checkInteger(shape[2], 'shape[2] (width)', { min: 1, max: 4096 });
  const signal = checkSignal(checkOptions(options, 'options', ['signal']).signal, 'signal');
  return fitPicture(await openPicture(path, signal), shape);
}

/** A picture as its file has it. Errors: ERR_IO, ERR_FORMAT, ERR_ABORTED. */
export async function openPicture(path: string, signal?: AbortSignal): Promise<Picture> {
  return decodePicture(await readBounded(path, MAX_FILE_BYTES, signal), path);
}

/**
 * As `loadImage` for a picture in memory, which errors call `name`; of at most `maxPixels` pixels. Errors: ERR_FORMAT.
 */
export async function decodeImage(
  bytes: Uint8Array,
  shape: ImageShape,
  { name, maxPixels = MOST_PIXELS }: { name: string; maxPixels?: number },
): Promise<Uint8Array> {
  return fitPicture(await decodePicture(bytes, name, maxPixels), shape);
}
