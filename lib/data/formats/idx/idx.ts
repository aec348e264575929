// Sets in the form of MNIST: four idx files, gzipped or not: big-endian magic, sizes, then bytes.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { OneSpikeError } from '../../../errors';
import { throwIfAborted } from '../../files';
import { locatedFiles, type DataSource, type Located } from '../../sets/source';
import type { ImageSet, LoadedParts, LoadOptions } from '../../types';
import { transposed } from '../transposed';
import { fileNames, locateFile, readPlace, type IdxNames } from './find';

const inflate = promisify(gunzip);
const SIDE = 28;
const IMAGE_BYTES = SIDE * SIDE;
const IMAGE_HEADER = 16;
const LABEL_HEADER = 8;

export interface IdxSet extends IdxNames {
  classes: string[];
  /** Images of the official set; a file with more is not of it. */
  counts: { train: number; test: number };
  /** The label of the first class; 0 by default. */
  firstLabel?: number;
  /** Whether the rows of an image are its columns in the files. */
  transposed?: boolean;
}

/** How a data set of this form is found and loaded. */
export function idxSet(set: IdxSet): Pick<DataSource, 'options' | 'locate' | 'load'> {
  return {
    options: ['directory', 'trainCount', 'testCount'],
    locate: (directory) => locateIdx(set, directory),
    load: (directory, options) => loadIdx(set, directory, options),
  };
}

/** The files of a set that are there, and whether they are all. */
export async function locateIdx(set: IdxNames, directory: string): Promise<Located> {
  const places = await Promise.all(fileNames(set).map((file) => locateFile(set, directory, file)));
  return locatedFiles(places.map((place) => place?.path ?? null));
}

export async function loadIdx(
  set: IdxSet,
  directory: string,
  { trainCount, testCount, signal }: LoadOptions,
): Promise<LoadedParts> {
  const train = await loadPart(set, directory, 'train', trainCount ?? Infinity, signal);
  throwIfAborted(signal, `loading ${set.name}`);
  const test = await loadPart(set, directory, 'test', testCount ?? Infinity, signal);
  return { train, test };
}

/** The bytes of a file, inflated where they are gzipped, and its path. */
async function readIdx(
  set: IdxSet,
  directory: string,
  file: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ path: string; bytes: Buffer }> {
  // Deflate cannot grow its input by more than a few bytes per block; a larger file is not this one.
  const { path, bytes: raw } = await readPlace(set, directory, file, maxBytes + 65_536, signal);
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
    if (bytes.readUInt32BE(at) !== SIDE) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected images of ${SIDE}x${SIDE} at byte ${at} of ${path} but received a side of ${bytes.readUInt32BE(at)}`,
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
  part: 'train' | 'test',
  keep: number,
  signal?: AbortSignal,
): Promise<ImageSet> {
  const { classes, firstLabel = 0 } = set;
  const most = set.counts[part];
  const [imageFile, labelFile] = fileNames(set).slice(part === 'train' ? 0 : 2) as [string, string];
  const images = await readIdx(set, directory, imageFile, IMAGE_HEADER + most * IMAGE_BYTES, signal);
  const answers = await readIdx(set, directory, labelFile, LABEL_HEADER + most, signal);
  const total = checkIdx(images.path, images.bytes, 0x803, IMAGE_HEADER, IMAGE_BYTES, most);
  const answerCount = checkIdx(answers.path, answers.bytes, 0x801, LABEL_HEADER, 1, most);
  if (answerCount !== total) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${total} labels at byte 4 of ${answers.path} (as ${images.path} has images) but received ${answerCount}`,
    );
  }
  const labels = Int32Array.from(answers.bytes.subarray(LABEL_HEADER), (label) => label - firstLabel);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes.length);
  if (wrong >= 0) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a label from ${firstLabel} to ${firstLabel + classes.length - 1} ` +
        `at byte ${LABEL_HEADER + wrong} of ${answers.path} ` +
        `but received ${answers.bytes[LABEL_HEADER + wrong]}`,
    );
  }
  const count = Math.min(total, keep);
  const stored = images.bytes.subarray(IMAGE_HEADER, IMAGE_HEADER + count * IMAGE_BYTES);
  return {
    shape: [1, SIDE, SIDE],
    classes: [...classes],
    pixels: set.transposed === true ? transposed(stored, SIDE) : Uint8Array.from(stored),
    labels: labels.slice(0, count),
    count,
  };
}
