/** Sets in the form of MNIST: four idx files, gzipped or not: big-endian magic, sizes, then bytes. */
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { OneSpikeError } from '../../errors';
import { adviceFor, readBounded, statOrNull, throwIfAborted } from '../files';
import type { DataSource } from '../sets/source';
import type { ImageSet } from '../types';

const inflate = promisify(gunzip);
const side = 28;
const imageBytes = side * side;
const imageHeader = 16;
const labelHeader = 8;

const fileNames = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
];

export interface IdxSet {
  name: string;
  /** A label from 0 per class. */
  classes: string[];
  /** Images of the official set; a file with more is not of it. */
  counts: { train: number; test: number };
}

/** How a data set of this form is found and loaded. */
export function idxSet(set: IdxSet): Pick<DataSource, 'options' | 'locate' | 'load'> {
  return {
    options: ['directory', 'trainCount', 'testCount'],
    locate: async (directory) => {
      const paths = await Promise.all(fileNames.map((file) => locateFile(directory, file)));
      return { paths: paths.filter((path) => path !== null), present: !paths.includes(null) };
    },
    load: async (directory, { trainCount, testCount, signal }) => {
      const train = await loadPart(set, directory, 'train', set.counts.train, trainCount ?? Infinity, signal);
      throwIfAborted(signal, `loading ${set.name}`);
      const test = await loadPart(set, directory, 't10k', set.counts.test, testCount ?? Infinity, signal);
      return { train, test };
    },
  };
}

/**
 * The path of a file of the set, or null if there is none: in the folder or where torchvision puts it, gzipped or not, with a
 * hyphen or a dot before `idx` (both are in circulation), by itself or in a folder of its name, as archives unpack it.
 */
async function locateFile(directory: string, file: string): Promise<string | null> {
  const names = [file, file.replace('-idx', '.idx')].flatMap((name) => [name, `${name}.gz`]);
  for (const folder of [directory, join(directory, 'MNIST', 'raw')]) {
    for (const path of names.map((name) => join(folder, name))) {
      const status = await statOrNull(path);
      if (status === null) continue;
      if (!status.isDirectory()) return path;
      for (const inner of names.map((name) => join(path, name))) if ((await statOrNull(inner))?.isFile()) return inner;
    }
  }
  return null;
}

async function readIdx(
  set: IdxSet,
  directory: string,
  file: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ path: string; bytes: Buffer }> {
  const path = await locateFile(directory, file);
  if (path === null)
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${file} or ${file}.gz in ${directory} but found neither; ${adviceFor(set.name)}`,
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
  set: IdxSet,
  directory: string,
  part: 'train' | 't10k',
  most: number,
  keep: number,
  signal?: AbortSignal,
): Promise<ImageSet> {
  const images = await readIdx(set, directory, `${part}-images-idx3-ubyte`, imageHeader + most * imageBytes, signal);
  const answers = await readIdx(set, directory, `${part}-labels-idx1-ubyte`, labelHeader + most, signal);
  const total = checkIdx(images.path, images.bytes, 0x803, imageHeader, imageBytes, most);
  const answerCount = checkIdx(answers.path, answers.bytes, 0x801, labelHeader, 1, most);
  if (answerCount !== total) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${total} labels at byte 4 of ${answers.path} (as ${images.path} has images) but received ${answerCount}`,
    );
  }
  for (let i = 0; i < total; i++) {
    if (answers.bytes[labelHeader + i]! >= set.classes.length) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a label from 0 to ${set.classes.length - 1} at byte ${labelHeader + i} of ${answers.path} but received ${answers.bytes[labelHeader + i]}`,
      );
    }
  }
  const count = Math.min(total, keep);
  return {
    shape: [1, side, side],
    classes: [...set.classes],
    pixels: Uint8Array.from(images.bytes.subarray(imageHeader, imageHeader + count * imageBytes)),
    labels: Int32Array.from(answers.bytes.subarray(labelHeader, labelHeader + count)),
    count,
  };
}
