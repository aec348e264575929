/** CIFAR-10 and CIFAR-100 in their official binary layout: records of one or two label bytes and 3072 pixel bytes (C, H, W). */
import { basename, dirname, join } from 'node:path';

import { OneSpikeError } from '../../errors';
import { readArchive } from '../download/archive';
import { cifar10Classes, cifar100Classes } from './class-names';
import { adviceFor, dataDirectory, readBounded, statOrNull, throwIfAborted } from '../files';
import type { ImageSet, LoadOptions } from '../types';

const imageBytes = 3 * 32 * 32;

interface Layout {
  folder: string;
  archive: string;
  train: string[];
  test: string[];
  /** Records of each training file, and of each test file, in the official set. */
  trainRecords: number;
  testRecords: number;
  /** The label that counts is the last of these bytes (CIFAR-100: coarse, fine). */
  labelBytes: number;
  classes: string[];
}

export const cifarLayouts: Record<'cifar10' | 'cifar100', Layout> = {
  cifar10: {
    folder: 'cifar-10-batches-bin',
    archive: 'cifar-10-binary.tar.gz',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ['test_batch.bin'],
    trainRecords: 10_000,
    testRecords: 10_000,
    labelBytes: 1,
    classes: cifar10Classes,
  },
  cifar100: {
    folder: 'cifar-100-binary',
    archive: 'cifar-100-binary.tar.gz',
    train: ['train.bin'],
    test: ['test.bin'],
    trainRecords: 50_000,
    testRecords: 10_000,
    labelBytes: 2,
    classes: cifar100Classes,
  },
};

/** One file of the set: where it came from (for messages), and its bytes. */
interface Part {
  origin: string;
  bytes: Buffer;
}

/** The folder or the archive that holds the set, or null. `place` is a folder (the inner one or its parent) or the archive itself. */
export async function locateCifar(
  name: 'cifar10' | 'cifar100',
  place: string,
): Promise<{ kind: 'folder' | 'archive'; path: string } | null> {
  const layout = cifarLayouts[name];
  const status = await statOrNull(place);
  if (status?.isFile()) {
    // A path to one of the .bin files means the folder around it.
    return [...layout.train, ...layout.test].includes(basename(place))
      ? { kind: 'folder', path: dirname(place) }
      : { kind: 'archive', path: place };
  }
  for (const folder of [place, join(place, layout.folder)]) {
    for (const file of [...layout.train, ...layout.test]) {
      if ((await statOrNull(join(folder, file))) !== null) return { kind: 'folder', path: folder };
    }
  }
  const archive = join(place, layout.archive);
  return (await statOrNull(archive)) !== null ? { kind: 'archive', path: archive } : null;
}

async function readParts(
  name: 'cifar10' | 'cifar100',
  place: string,
  signal?: AbortSignal,
): Promise<Map<string, Part>> {
  const layout = cifarLayouts[name];
  const location = await locateCifar(name, place);
  if (location === null) {
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${layout.train[0]}, a folder ${layout.folder} or ${layout.archive} in ${place} but found none of them; ${adviceFor(name)}`,
    );
  }
  const most = new Map<string, number>();
  for (const file of layout.train) most.set(file, layout.trainRecords * (layout.labelBytes + imageBytes));
  for (const file of layout.test) most.set(file, layout.testRecords * (layout.labelBytes + imageBytes));

  const parts = new Map<string, Part>();
  if (location.kind === 'archive') {
    const contents = await readArchive(location.path, most, signal);
    for (const [file, bytes] of contents) parts.set(file, { origin: `${location.path} (entry ${file})`, bytes });
    for (const file of most.keys()) {
      if (!parts.has(file))
        throw new OneSpikeError('ERR_FORMAT', `Expected an entry ${file} in ${location.path} but received none`);
    }
    return parts;
  }
  for (const [file, bytes] of most) {
    const path = join(location.path, file);
    if ((await statOrNull(path)) === null) {
      throw new OneSpikeError('ERR_IO', `Expected a file at ${path} but found none; ${adviceFor(name)}`);
    }
    parts.set(file, { origin: path, bytes: await readBounded(path, bytes, signal) });
  }
  return parts;
}

/** Number of records of a part; ERR_FORMAT unless it is a positive whole number of them. */
function countRecords(part: Part, recordBytes: number): number {
  const whole = Math.floor(part.bytes.length / recordBytes);
  if (whole === 0 || whole * recordBytes !== part.bytes.length) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected records of ${recordBytes} bytes in ${part.origin} but received ${part.bytes.length} bytes: ` +
        `the record at byte ${whole * recordBytes} is ${whole === 0 && part.bytes.length === 0 ? 'missing' : 'incomplete'}`,
    );
  }
  return whole;
}

/**
 * A file cut at the edge of a record looks whole by itself, so it is judged by its siblings: subsets are welcome if every
 * training file has the same number of records, and a set of which one file has the official number must have it in all.
 */
function checkTogether(layout: Layout, parts: Map<string, Part>, recordBytes: number): void {
  const counts = [...layout.train, ...layout.test].map((file) => {
    const part = parts.get(file) as Part;
    const official = layout.train.includes(file) ? layout.trainRecords : layout.testRecords;
    return { file, part, records: countRecords(part, recordBytes), official };
  });
  const train = counts.filter(({ file }) => layout.train.includes(file));
  const largest = Math.max(...train.map(({ records }) => records));
  const complete = counts.some(({ records, official }) => records === official);
  for (const { file, part, records, official } of counts) {
    const expected = complete ? official : layout.train.includes(file) ? largest : records;
    if (records !== expected) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected ${expected} records of ${recordBytes} bytes in ${part.origin} (as its sibling files have) but received ${records}: ` +
          `the file ends at byte ${part.bytes.length}`,
      );
    }
  }
}

function decode(layout: Layout, files: string[], parts: Map<string, Part>, keep: number): ImageSet {
  const recordBytes = layout.labelBytes + imageBytes;
  const total = files.reduce((sum, file) => sum + (parts.get(file) as Part).bytes.length / recordBytes, 0);
  const count = Math.min(total, keep);
  const pixels = new Uint8Array(count * imageBytes);
  const labels = new Int32Array(count);
  let image = 0;
  for (const file of files) {
    const { bytes, origin } = parts.get(file) as Part;
    parts.delete(file); // its memory can go as soon as it is decoded
    for (let at = 0; at < bytes.length; at += recordBytes) {
      const labelAt = at + layout.labelBytes - 1;
      const label = bytes[labelAt];
      if (label >= layout.classes.length) {
        throw new OneSpikeError(
          'ERR_FORMAT',
          `Expected a label from 0 to ${layout.classes.length - 1} at byte ${labelAt} of ${origin} but received ${label}`,
        );
      }
      if (layout.labelBytes === 2 && bytes[at] > 19) {
        throw new OneSpikeError(
          'ERR_FORMAT',
          `Expected a coarse label from 0 to 19 at byte ${at} of ${origin} but received ${bytes[at]}`,
        );
      }
      if (image >= count) continue; // not kept, but checked all the same
      labels[image] = label;
      pixels.set(bytes.subarray(labelAt + 1, labelAt + 1 + imageBytes), image * imageBytes);
      image++;
    }
  }
  return { shape: [3, 32, 32], classes: [...layout.classes], pixels, labels, count };
}

/** @throws ERR_IO if files are missing, ERR_FORMAT if they are not what the layout says, ERR_ABORTED. */
export async function loadCifar(
  name: 'cifar10' | 'cifar100',
  options: LoadOptions,
): Promise<{ train: ImageSet; test: ImageSet }> {
  const layout = cifarLayouts[name];
  const parts = await readParts(name, await dataDirectory(name, options.directory), options.signal);
  checkTogether(layout, parts, layout.labelBytes + imageBytes);
  throwIfAborted(options.signal, `loading ${name}`);
  return {
    train: decode(layout, layout.train, parts, options.trainCount ?? Infinity),
    test: decode(layout, layout.test, parts, options.testCount ?? Infinity),
  };
}
