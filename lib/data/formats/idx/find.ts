// Where the four idx files of a set are: in the folders of torchvision, of archives as they unpack, or in the archive.
import { basename, join } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { InputFile } from '../../../io/binary/input-file';
import { readEntry, readZip, type ZipEntry } from '../../../io/binary/zip';
import { adviceFor, readBounded, statOrNull } from '../../files';

export interface IdxNames {
  name: string;
  /** The folder that torchvision makes: the files are in `FOLDER/raw`. */
  folder: string;
  /** What the files are called before `-images-idx3-ubyte`. */
  prefixes: { train: string; test: string };
  /** A zip archive that holds the files. */
  archive?: string;
}

/** Where a file is: a file of its own, or an entry of an archive. */
interface Place {
  path: string;
  entry?: ZipEntry;
}

/** The files of a set: images and labels to train on, then those of the test. */
export function fileNames({ prefixes: { train, test } }: IdxNames): string[] {
  return [train, test].flatMap((prefix) => [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`]);
}

/** A file gzipped or not, with a hyphen or a dot before `idx`: all are in circulation. */
const spellings = (file: string): string[] =>
  [file, file.replace('-idx', '.idx')].flatMap((name) => [name, `${name}.gz`]);

/**
 * A file of the set by itself, in a folder of its name, as archives unpack it, or in the archive; null if there is
 * none.
 */
export async function locateFile(set: IdxNames, directory: string, file: string): Promise<Place | null> {
  if ((await statOrNull(directory))?.isFile()) return set.archive === undefined ? null : inArchive(directory, file);
  const roots = [directory, join(directory, set.folder, 'raw'), join(directory, 'raw')];
  const unpacked = set.archive === undefined ? [] : ['gzip', join('gzip', 'gzip')];
  for (const folder of roots.flatMap((root) => [root, ...unpacked.map((inner) => join(root, inner))])) {
    for (const path of spellings(file).map((name) => join(folder, name))) {
      const status = await statOrNull(path);
      if (status === null) continue;
      if (!status.isDirectory()) return { path };
      for (const inner of spellings(file).map((name) => join(path, name)))
        if ((await statOrNull(inner))?.isFile()) return { path: inner };
    }
  }
  for (const root of set.archive === undefined ? [] : roots) {
    const archive = join(root, set.archive!);
    const found = (await statOrNull(archive))?.isFile() ? await inArchive(archive, file) : null;
    if (found !== null) return found;
  }
  return null;
}

async function inArchive(path: string, file: string): Promise<Place | null> {
  const entries = await InputFile.use(path, async (archive) => [...(await readZip(archive)).values()]);
  const entry = entries.find(({ name }) => spellings(file).includes(basename(name)));
  return entry === undefined ? null : { path, entry };
}

/** The bytes of a file of the set, at most so many, and what to call it. Errors: ERR_IO, ERR_FORMAT, ERR_ABORTED. */
export async function readPlace(
  set: IdxNames,
  directory: string,
  file: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ path: string; bytes: Buffer }> {
  const place = await locateFile(set, directory, file);
  if (place === null)
    throw new OneSpikeError(
      'ERR_IO',
      `Expected ${file} or ${file}.gz in ${directory} but found neither; ${adviceFor(set.name)}`,
    );
  const { path, entry } = place;
  if (entry === undefined) return { path, bytes: await readBounded(path, maxBytes, signal) };
  const bytes = await InputFile.use(path, (archive) => readEntry(archive, entry, maxBytes));
  return { path: `${path}/${entry.name}`, bytes };
}
