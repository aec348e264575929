/** Folders of pictures, one per class: which classes there are, what they hold, and what is no class. Nothing is read here. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';

import { OneSpikeError } from '../../errors';
import { ioError } from '../../io/system-error';
import { statOrNull } from '../files';

const pictureExtensions = ['.png', '.ppm', '.pgm', '.jpg', '.jpeg', '.webp', '.avif', '.gif', '.tif', '.tiff'];

/** What systems and archivers leave in folders. Hidden entries (.DS_Store, .ipynb_checkpoints) are passed over as well. */
const systemNames = new Set([
  '__macosx',
  'lost+found',
  '$recycle.bin',
  'system volume information',
  '@eadir',
  'thumbs.db',
  'desktop.ini',
]);

/** The entries of a folder, names in code point order, which no locale changes. */
export interface Listing {
  path: string;
  folders: string[];
  pictures: string[];
  others: string[];
}

/** Errors: ERR_IO. */
export async function list(path: string): Promise<Listing> {
  const listing: Listing = { path, folders: [], pictures: [], others: [] };
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw ioError('read', path, error);
  }
  const visible = entries.filter(({ name }) => !name.startsWith('.') && !systemNames.has(name.toLowerCase()));
  for (const entry of visible.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    const { name } = entry;
    if (await isFolder(join(path, name), entry)) listing.folders.push(name);
    else if (pictureExtensions.includes(extname(name).toLowerCase())) listing.pictures.push(name);
    else listing.others.push(name);
  }
  return listing;
}

/** A link that leads nowhere is no folder: named like a picture, it is one that cannot be read. */
async function isFolder(path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

/** Class name -> the paths of its pictures, at least one each, in the order of the names. */
export type Classes = Map<string, string[]>;

/** Counts what was left out, by kind (`.bmp`, `folders`). */
export class LeftOut {
  private readonly counts = new Map<string, number>();

  add(kind: string, count = 1): void {
    if (count > 0) this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
  }

  addFiles(names: readonly string[]): void {
    for (const name of names) this.add(`${extname(name).toLowerCase() || 'unnamed'} files`);
  }

  /** `30 .bmp files, 2 .txt files`, or '' if nothing was left out. */
  text(): string {
    return [...this.counts]
      .map(([kind, count]) => `${count} ${count === 1 ? kind.replace(/s$/, '') : kind}`)
      .join(', ');
  }
}

/**
 * The classes in `root`: its folders, but for runs of onespike and what `exclude` names.
 * Errors: ERR_FORMAT where a class has no picture, with what its folder holds instead; ERR_IO.
 */
export async function listClasses(root: Listing, exclude: readonly string[], leftOut: LeftOut): Promise<Classes> {
  const classes: Classes = new Map();
  leftOut.addFiles([...root.pictures, ...root.others]);
  for (const name of root.folders) {
    const listing = await list(join(root.path, name));
    if (await isNoClass(name, listing, exclude)) {
      leftOut.add('folders');
      continue;
    }
    if (listing.pictures.length === 0) throw await withoutPictures(root, name, listing);
    leftOut.addFiles(listing.others);
    leftOut.add('folders', listing.folders.length);
    classes.set(
      name,
      listing.pictures.map((file) => join(listing.path, file)),
    );
  }
  return classes;
}

/** Runs are written where they were started, which may be among the classes. */
async function isNoClass(name: string, listing: Listing, exclude: readonly string[]): Promise<boolean> {
  if (exclude.some((path) => path === listing.path)) return true;
  if (listing.pictures.length > 0) return false;
  if (name === 'runs' || listing.others.includes('run.json')) return true;
  if (exclude.some((path) => isWithin(path, listing.path))) return true;
  if (listing.folders.length === 0) return false;
  const runs = await Promise.all(listing.folders.map((folder) => statOrNull(join(listing.path, folder, 'run.json'))));
  return !runs.includes(null);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}

/** Why the folder of a class has no picture, and what to do about it. */
async function withoutPictures(root: Listing, name: string, listing: Listing): Promise<OneSpikeError> {
  const error = (received: string): OneSpikeError =>
    new OneSpikeError(
      'ERR_FORMAT',
      `Expected at least one picture in the class folder ${listing.path} but received ${received}`,
    );
  const inner = await Promise.all(listing.folders.map((folder) => list(join(listing.path, folder))));
  const holding = inner.filter(({ pictures }) => pictures.length > 0);
  if (holding.length > 0) {
    const deeper = holding[0]!.path;
    return root.folders.length === 1 && holding.length > 1
      ? error(`${holding.length} folders with pictures: the classes lie one level deeper; name ${listing.path} instead`)
      : error(
          `pictures one level deeper, as in ${deeper}; move them into ${listing.path}, or name the folder above the classes`,
        );
  }
  if (inner.some(({ folders }) => folders.length > 0))
    return error('folders within folders; name the folder whose folders are the classes');
  if (listing.others.length > 0) {
    const kinds = new LeftOut();
    kinds.addFiles(listing.others);
    return error(`${kinds.text()}; pictures are ${pictureExtensions.join(' ')}`);
  }
  return error(`${listing.folders.length > 0 ? 'empty folders' : 'an empty folder'}; remove ${name}, or fill it`);
}
