/** MNIST (and sets in its form) as idx files, gzipped or not: big-endian magic, sizes, then bytes. */
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { OneSpikeError } from '../../errors';
import { mnistClasses } from './class-names';
import { adviceFor, dataDirectory, readBounded, statOrNull, throwIfAborted } from '../files';
import type { ImageSet, LoadOptions } from '../types';

const inflate = promisify(gunzip);
const side = 28;
const imageBytes = side * side;
const imageHeader = 16;
const labelHeader = 8;

export const mnistFiles = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
];
export const mnistCounts = { train: 60_000, test: 10_000 };

/** The path of a file of the set, gzipped or not, under the folder or where torchvision puts it; null if there is none. */
export async function locateMnist(directory: string, file: string): Promise<string | null> {
  for (const folder of [directory, join(directory, 'MNIST', 'raw')]) {
    for (const name of [file, `${file}.gz`]) {
      const path = join(folder, name);
      if ((await statOrNull(path)) !== null) return path;
    }
  }
  return null;
}

async function readIdx(
  directory: string,
  file: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ path: string; bytes: Buffer }> {
  const path = await locateMnist(directory, file);
  if (path === null)
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${file} or ${file}.gz in ${directory} but found neither; ${adviceFor('mnist')}`,
    );
  // Deflate cannot grow its input by more than a few bytes per block; a larger file is not this one.
  const raw = await readBounded(path, maxBytes + 65_536, signal);
  if (raw.length < 2 || raw[0] !== 0x1f || raw[1] !== 0x8b) {
    if (path.endsWith('.gz')) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected the gzip magic 1f 8b at byte 0 of ${path} but received ${raw.subarray(0, 2).toString('hex') || 'an empty file'}`,
      );
    }
    return { path, bytes: raw };
  }
  try {
    return { path, bytes: await inflate(raw, { maxOutputLength: maxBytes }) };
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const received = tooLarge ? 'more' : `damaged gzip data (${(error as Error).message})`;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected at most ${maxBytes} intact bytes inflated from ${path} but received ${received}`,
      { cause: error },
    );
  }
}

/** Checks the header and the size it implies; returns the number of entries. */
function checkIdx(
  path: string,
  bytes: Buffer,
  magic: number,
  headerBytes: number,
  entryBytes: number,
  most: number,
): number {
  if (bytes.length < headerBytes) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected an idx header of ${headerBytes} bytes at byte 0 of ${path} but received ${bytes.length} bytes`,
    );
  }
  const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
  if (bytes.readUInt32BE(0) !== magic) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected the magic ${hex(magic)} at byte 0 of ${path} but received ${hex(bytes.readUInt32BE(0))}`,
    );
  }
  const count = bytes.readUInt32BE(4);
  if (count < 1 || count > most) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a count from 1 to ${most} at byte 4 of ${path} but received ${count}`,
    );
  }
  for (let at = 8; at < headerBytes; at += 4) {
    if (bytes.readUInt32BE(at) !== side) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected images of ${side}x${side} at byte ${at} of ${path} but received a side of ${bytes.readUInt32BE(at)}`,
      );
    }
  }
  const expected = headerBytes + count * entryBytes;
  if (bytes.length !== expected) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${expected} bytes in ${path} (${count} entries of ${entryBytes} after byte ${headerBytes}) but received ${bytes.length}`,
    );
  }
  return count;
}

async function loadPart(
  directory: string,
  part: 'train' | 't10k',
  most: number,
  keep: number,
  signal?: AbortSignal,
): Promise<ImageSet> {
  const images = await readIdx(directory, `${part}-images-idx3-ubyte`, imageHeader + most * imageBytes, signal);
  const answers = await readIdx(directory, `${part}-labels-idx1-ubyte`, labelHeader + most, signal);
  const total = checkIdx(images.path, images.bytes, 0x803, imageHeader, imageBytes, most);
  const answerCount = checkIdx(answers.path, answers.bytes, 0x801, labelHeader, 1, most);
  if (answerCount !== total) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${total} labels at byte 4 of ${answers.path} (as ${images.path} has images) but received ${answerCount}`,
    );
  }
  for (let i = 0; i < total; i++) {
    if (answers.bytes[labelHeader + i] > 9) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a label from 0 to 9 at byte ${labelHeader + i} of ${answers.path} but received ${answers.bytes[labelHeader + i]}`,
      );
    }
  }
  const count = Math.min(total, keep);
  return {
    shape: [1, side, side],
    classes: [...mnistClasses],
    pixels: Uint8Array.from(images.bytes.subarray(imageHeader, imageHeader + count * imageBytes)),
    labels: Int32Array.from(answers.bytes.subarray(labelHeader, labelHeader + count)),
    count,
  };
}

/** @throws ERR_IO if files are missing, ERR_FORMAT if they are not what their headers say, ERR_ABORTED. */
export async function loadMnist(options: LoadOptions): Promise<{ train: ImageSet; test: ImageSet }> {
  const directory = await dataDirectory('mnist', options.directory);
  const train = await loadPart(directory, 'train', mnistCounts.train, options.trainCount ?? Infinity, options.signal);
  throwIfAborted(options.signal, 'loading mnist');
  const test = await loadPart(directory, 't10k', mnistCounts.test, options.testCount ?? Infinity, options.signal);
  return { train, test };
}
