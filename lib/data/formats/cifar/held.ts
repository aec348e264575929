// CIFAR file by file, of whose images a process keeps some: its memory is that of these and of one file.
import type { Keep, KnownImages } from '../../held';
import { HeldReader } from '../../held';
import { throwIfAborted } from '../../files';
import type { LoadedParts, LoadOptions } from '../../types';
import { binaryFile, checkRecords } from './binary';
import type { CifarFolder } from './find';
import { officialCount, type CifarFile, type CifarLayout } from './layout';
import { pythonFile } from './python';

/** Loads the files of a folder twice: labels first, which decide what is kept, then pixels. Errors: as of `load`. */
export async function loadHeld(
  layout: CifarLayout,
  folder: CifarFolder,
  { trainCount = Infinity, testCount = Infinity, signal }: LoadOptions,
  keep: Keep,
): Promise<LoadedParts> {
  const { version } = folder;
  if (version === 'binary') checkRecords(layout, await folder.sizes());
  const open = async (file: string): Promise<CifarFile> => {
    throwIfAborted(signal, `loading ${layout.name}`);
    const part = await folder.read(file, signal);
    return version === 'binary'
      ? binaryFile(layout, part)
      : pythonFile(layout, part, officialCount(layout, version, file));
  };
  const { train, test } = layout[version];
  const known = {
    train: await knownImages(layout, train, trainCount, open),
    test: await knownImages(layout, test, testCount, open),
  };
  const rows = keep(known);
  return {
    train: await readImages(known.train, rows.train, train, open),
    test: await readImages(known.test, rows.test, test, open),
  };
}

type Open = (file: string) => Promise<CifarFile>;

async function knownImages(
  { classes }: CifarLayout,
  names: readonly string[],
  most: number,
  open: Open,
): Promise<KnownImages> {
  const all: number[] = [];
  for (const name of names) {
    const file = await open(name);
    for (let i = 0; i < file.count; i++) all.push(file.label(i));
  }
  const labels = Int32Array.from(all.slice(0, most));
  return { shape: [3, 32, 32], classes: [...classes], labels, count: labels.length };
}

async function readImages(
  known: KnownImages,
  rows: Uint32Array,
  names: readonly string[],
  open: Open,
): Promise<LoadedParts['train']> {
  const reader = new HeldReader(known, rows);
  let left = known.count;
  for (const name of names) {
    const file = await open(name);
    for (let i = 0; i < file.count && left > 0; i++, left--) reader.add(file.pixels(i));
  }
  return reader.images();
}
