/** CIFAR-10 and CIFAR-100 in their official binary layout: records of one or two label bytes and 3072 pixel bytes (C, H, W). */
import { basename, dirname, join } from 'node:path';

import { OneSpikeError } from '../../errors';
import { readArchive } from '../download/archive';
import { adviceFor, readBounded, statOrNull, throwIfAborted } from '../files';
import type { DataSource } from '../sets/source';
import type { ImageSet } from '../types';

const imageBytes = 3 * 32 * 32;

export interface CifarLayout {
  name: string;
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
  /** Folder, archive and first file of the set's version for Python, which people mistake for this one. */
  pythonNames: string[];
}

/** One file of the set: where it came from (for messages), and its bytes. */
interface Part {
  origin: string;
  bytes: Buffer;
}

/** How a data set of this form is found and loaded. */
export function cifarBinary(layout: CifarLayout): Pick<DataSource, 'options' | 'locate' | 'load'> {
  return {
    options: ['directory', 'trainCount', 'testCount'],
    locate: async (directory) => {
      const location = await findSet(layout, directory);
      if (location === null) return { paths: [], present: false };
      if (location.kind === 'archive') return { paths: [location.path], present: true };
      const paths = await Promise.all(filesOf(layout).map((file) => findFile(layout, location.path, file)));
      return { paths: paths.filter((path) => path !== null), present: !paths.includes(null) };
    },
    load: async (directory, { trainCount, testCount, signal }) => {
      const parts = await readParts(layout, directory, signal);
      checkTogether(layout, parts, recordBytesOf(layout));
      throwIfAborted(signal, `loading ${layout.name}`);
      return {
        train: decode(layout, layout.train, parts, trainCount ?? Infinity),
        test: decode(layout, layout.test, parts, testCount ?? Infinity),
      };
    },
  };
}

const filesOf = ({ train, test }: CifarLayout): string[] => [...train, ...test];
const recordBytesOf = ({ labelBytes }: CifarLayout): number => labelBytes + imageBytes;

/** A file of the set in `folder`, or null. Without its `.bin` it must be whole records: the Python version has the same names. */
async function findFile(layout: CifarLayout, folder: string, file: string): Promise<string | null> {
  const path = join(folder, file);
  if ((await statOrNull(path)) !== null) return path;
  const bare = path.replace(/\.bin$/, '');
  const status = await statOrNull(bare);
  return status?.isFile() && status.size > 0 && status.size % recordBytesOf(layout) === 0 ? bare : null;
}

/** The folder or the archive that holds the set, or null. `place` is a folder (the inner one or its parent) or the archive itself. */
async function findSet(
  layout: CifarLayout,
  place: string,
): Promise<{ kind: 'folder' | 'archive'; path: string } | null> {
  const status = await statOrNull(place);
  if (status?.isFile()) {
    // A path to one of the .bin files means the folder around it.
    return filesOf(layout).includes(basename(place))
      ? { kind: 'folder', path: dirname(place) }
      : { kind: 'archive', path: place };
  }
  for (const folder of [place, join(place, layout.folder)]) {
    for (const file of filesOf(layout)) {
      if ((await findFile(layout, folder, file)) !== null) return { kind: 'folder', path: folder };
    }
  }
  const archive = join(place, layout.archive);
  return (await statOrNull(archive)) !== null ? { kind: 'archive', path: archive } : null;
}

/** What to say of files that are the Python version of the set, found at `path`. */
function pythonVersion(layout: CifarLayout, path: string): OneSpikeError {
  return new OneSpikeError(
    'ERR_FORMAT',
    `Expected the binary version of ${layout.name} (${layout.archive}) but received its Python version, pickled files, in ${path}; ` +
      adviceFor(layout.name),
  );
}

async function readParts(layout: CifarLayout, place: string, signal?: AbortSignal): Promise<Map<string, Part>> {
  const location = await findSet(layout, place);
  if (location === null) {
    for (const name of layout.pythonNames)
      if ((await statOrNull(join(place, name))) !== null) throw pythonVersion(layout, join(place, name));
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${layout.train[0]}, a folder ${layout.folder} or ${layout.archive} in ${place} but found none of them; ${adviceFor(layout.name)}`,
    );
  }
  const recordBytes = recordBytesOf(layout);
  const most = new Map<string, number>();
  for (const file of layout.train) most.set(file, layout.trainRecords * recordBytes);
  for (const file of layout.test) most.set(file, layout.testRecords * recordBytes);

  const parts = new Map<string, Part>();
  if (location.kind === 'archive') {
    const { files, names } = await readArchive(location.path, most, signal);
    for (const [file, bytes] of files) parts.set(file, { origin: `${location.path} (entry ${file})`, bytes });
    for (const file of most.keys()) {
      if (parts.has(file)) continue;
      if (layout.pythonNames.some((name) => names.has(name))) throw pythonVersion(layout, location.path);
      throw new OneSpikeError('ERR_FORMAT', `Expected an entry ${file} in ${location.path} but received none`);
    }
    return parts;
  }
  for (const [file, bytes] of most) {
    const path = await findFile(layout, location.path, file);
    if (path === null) {
      throw new OneSpikeError(
        'ERR_IO',
        `Expected a file at ${join(location.path, file)} but found none; ${adviceFor(layout.name)}`,
      );
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
 * A file cut at the edge of a record cannot be told from a whole one by itself, so it is judged by its siblings:
 * subsets are welcome if every training file has the same number of records, and a set of which one file has the
 * official number must have it in all.
 */
function checkTogether(layout: CifarLayout, parts: Map<string, Part>, recordBytes: number): void {
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

function decode(layout: CifarLayout, files: string[], parts: Map<string, Part>, keep: number): ImageSet {
  const recordBytes = recordBytesOf(layout);
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
      const label = bytes[labelAt]!;
      if (label >= layout.classes.length) {
        throw new OneSpikeError(
          'ERR_FORMAT',
          `Expected a label from 0 to ${layout.classes.length - 1} at byte ${labelAt} of ${origin} but received ${label}`,
        );
      }
      if (layout.labelBytes === 2 && bytes[at]! > 19) {
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
