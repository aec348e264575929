// Where the files of a CIFAR set are: in a folder or an archive, in either version, as the authors or torchvision lay
// them.
import { basename, dirname, join } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { readArchive } from '../../download/archive';
import { InputFile } from '../../../io/binary/input-file';
import { adviceFor, readBounded, statOrNull } from '../../files';
import { locatedFiles, type Located } from '../../sets/source';
import { recordBytesOf } from './binary';
import {
  filesOf,
  IMAGE_BYTES,
  officialCount,
  versions,
  type CifarLayout,
  type Part,
  type SizedPart,
  type Version,
} from './layout';
import { FILE_OVERHEAD, RECORD_OVERHEAD } from './python';

/** A place that holds a set, or a part of it. What is in an archive shows when it is read. */
type Location = { kind: 'folder'; path: string; version: Version } | { kind: 'archive'; path: string };

/** The files of a set by their names, all of one version. */
export interface Parts {
  version: Version;
  files: Map<string, Part>;
}

/** Protocol 2 or later of pickle: no label of a binary record is as large as its first byte. */
async function isPickle(path: string): Promise<boolean> {
  if (!((await statOrNull(path))?.isFile() ?? false)) return false;
  const head = await InputFile.use(path, (file) => file.head(2));
  return head.length === 2 && head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5;
}

/**
 * A file of the set in `folder`, or null. A binary file without its `.bin` must be whole records: the version for
 * Python has the same names.
 */
async function findFile(layout: CifarLayout, version: Version, folder: string, file: string): Promise<string | null> {
  const path = join(folder, file);
  if (version === 'python') return (await isPickle(path)) ? path : null;
  if ((await statOrNull(path)) !== null) return path;
  const bare = path.replace(/\.bin$/, '');
  const status = await statOrNull(bare);
  const whole = status?.isFile() && status.size > 0 && status.size % recordBytesOf(layout) === 0;
  return whole && !(await isPickle(bare)) ? bare : null;
}

/**
 * The folder or the archive that holds the set, or null. `place` is a folder (the inner one or its parent), a file of
 * the set or the archive itself.
 */
async function findSet(layout: CifarLayout, place: string): Promise<Location | null> {
  const status = await statOrNull(place);
  if (status?.isFile()) {
    const version = versions.find((candidate) => filesOf(layout[candidate]).includes(basename(place)));
    return version === undefined
      ? { kind: 'archive', path: place }
      : { kind: 'folder', path: dirname(place), version: (await isPickle(place)) ? 'python' : 'binary' };
  }
  for (const version of versions) {
    for (const folder of [place, join(place, layout[version].folder)])
      for (const file of filesOf(layout[version]))
        if ((await findFile(layout, version, folder, file)) !== null) return { kind: 'folder', path: folder, version };
  }
  for (const version of versions) {
    const archive = join(place, layout[version].archive);
    if ((await statOrNull(archive)) !== null) return { kind: 'archive', path: archive };
  }
  return null;
}

export async function locateCifar(layout: CifarLayout, directory: string): Promise<Located> {
  const location = await findSet(layout, directory);
  if (location === null) return { paths: [], present: false };
  if (location.kind === 'archive') return { paths: [location.path], present: true };
  const { version, path } = location;
  return locatedFiles(await Promise.all(filesOf(layout[version]).map((file) => findFile(layout, version, path, file))));
}

/** The most bytes that a file of the set may have. */
function largestOf(layout: CifarLayout, version: Version, file: string): number {
  const count = officialCount(layout, version, file);
  return version === 'binary' ? count * recordBytesOf(layout) : count * (IMAGE_BYTES + RECORD_OVERHEAD) + FILE_OVERHEAD;
}

/**
 * Errors: ERR_IO for what is missing, ERR_FORMAT for a file that is too large or an archive that lacks one,
 * ERR_ABORTED.
 */
export async function readParts(layout: CifarLayout, place: string, signal?: AbortSignal): Promise<Parts> {
  const location = await findSet(layout, place);
  if (location === null) {
    const { binary, python } = layout;
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${binary.train[0]}, a folder ${binary.folder} or ${python.folder}, ${binary.archive} or ${python.archive} ` +
        `in ${place} but found none of them; ${adviceFor(layout.name)}`,
    );
  }
  if (location.kind === 'archive') return partsOfArchive(layout, location.path, signal);
  const folder = await folderAt(layout, location.path, location.version);
  const files = new Map<string, Part>();
  for (const file of filesOf(layout[folder.version])) files.set(file, await folder.read(file, signal));
  return { version: folder.version, files };
}

/** The files of a set in a folder, which can be read one after the other. */
export interface CifarFolder {
  version: Version;
  /** The file, as often as it is asked for. Errors: ERR_IO; ERR_FORMAT for one that is too large; ERR_ABORTED. */
  read(file: string, signal?: AbortSignal): Promise<Part>;
  /** The sizes of all files. */
  sizes(): Promise<Map<string, SizedPart>>;
}

/** The folder of the set; null where there is an archive, or nothing. Errors: ERR_IO for files that are missing. */
export async function cifarFolder(layout: CifarLayout, place: string): Promise<CifarFolder | null> {
  const location = await findSet(layout, place);
  return location?.kind === 'folder' ? folderAt(layout, location.path, location.version) : null;
}

async function folderAt(layout: CifarLayout, folder: string, version: Version): Promise<CifarFolder> {
  const paths = new Map<string, string>();
  for (const file of filesOf(layout[version])) {
    const path = await findFile(layout, version, folder, file);
    if (path === null) {
      throw new OneSpikeError(
        'ERR_IO',
        `Expected a file at ${join(folder, file)} but found none; ${adviceFor(layout.name)}`,
      );
    }
    paths.set(file, path);
  }
  return {
    version,
    read: async (file, signal) => {
      const origin = paths.get(file)!;
      return { origin, bytes: await readBounded(origin, largestOf(layout, version, file), signal) };
    },
    sizes: async () => {
      const sized = [...paths].map(
        async ([file, origin]): Promise<[string, SizedPart]> => [
          file,
          { origin, bytes: { length: (await statOrNull(origin))?.size ?? 0 } },
        ],
      );
      return new Map(await Promise.all(sized));
    },
  };
}

async function partsOfArchive(layout: CifarLayout, path: string, signal?: AbortSignal): Promise<Parts> {
  const sizes = versions.map(
    (version) => new Map(filesOf(layout[version]).map((file) => [file, largestOf(layout, version, file)])),
  );
  const totals = sizes.map((files) => [...files.values()].reduce((sum, size) => sum + size, 0));
  const wanted = new Map(sizes.flatMap((files) => [...files]));
  const files = await readArchive(path, wanted, Math.max(...totals), signal);
  const found = versions.filter((candidate) => filesOf(layout[candidate]).some((file) => files.has(file)));
  const version = found[0] ?? 'binary';
  const missing = filesOf(layout[version]).find((file) => !files.has(file));
  if (missing !== undefined)
    throw new OneSpikeError('ERR_FORMAT', `Expected an entry ${missing} in ${path} but received none`);
  const parts = filesOf(layout[version]).map((file): [string, Part] => [
    file,
    { origin: `${path} (entry ${file})`, bytes: files.get(file)! },
  ]);
  return { version, files: new Map(parts) };
}
