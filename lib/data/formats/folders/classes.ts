// Folders of pictures, one per class: which classes there are, what they hold at any depth, and what is no class.
import { realpath } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { ioError } from '../../../io/system-error';
import { statOrNull } from '../../files';
import { kindsText, list, pictureExtensions, type LeftOut, type Listing } from './listing';

/** Class name -> the paths of its pictures, at least one each, in the order of the names. */
export type Classes = Map<string, string[]>;

/**
 * The classes in `root`: its folders, but for runs of onespike and what `exclude` names. The pictures of a class lie in
 * its folder or in folders within it.
 * Errors: ERR_FORMAT where a class has no picture, with what its folder holds instead; ERR_IO.
 */
export async function listClasses(root: Listing, exclude: readonly string[], leftOut: LeftOut): Promise<Classes> {
  const classes: Classes = new Map();
  leftOut.addFiles([...root.pictures, ...root.others]);
  leftOut.addSystem(root.system);
  for (const name of root.folders) {
    const listing = await list(join(root.path, name));
    if (await isNoClass(name, listing, exclude)) {
      leftOut.add('folder', 'folders');
      continue;
    }
    if (root.folders.length === 1) await checkLevel(listing);
    const paths = await picturesWithin(listing, exclude, leftOut);
    if (paths.length > 0) classes.set(name, paths);
    else if (exclude.some((path) => isWithin(path, listing.path))) leftOut.add('folder', 'folders');
    else throw await withoutPictures(name, listing);
  }
  return classes;
}

/** Runs are written where they were started, which may be among the classes. */
async function isNoClass(name: string, listing: Listing, exclude: readonly string[]): Promise<boolean> {
  if (exclude.some((path) => path === listing.path)) return true;
  if (listing.pictures.length > 0) return false;
  if (name === 'runs' || listing.others.includes('run.json')) return true;
  if (listing.folders.length === 0) return false;
  const runs = await Promise.all(listing.folders.map((folder) => statOrNull(join(listing.path, folder, 'run.json'))));
  return !runs.includes(null);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`);
}

/** The pictures of a folder, then those of the folders within it. A link to a folder around it is not followed. */
async function picturesWithin(
  listing: Listing,
  exclude: readonly string[],
  leftOut: LeftOut,
  around: readonly string[] = [],
): Promise<string[]> {
  leftOut.addFiles(listing.others);
  leftOut.addSystem(listing.system);
  const paths = listing.pictures.map((file) => join(listing.path, file));
  if (listing.folders.length === 0) return paths;
  const chain = [...around, await realPath(listing.path)];
  for (const folder of listing.folders) {
    const path = join(listing.path, folder);
    const inner = exclude.includes(path) || chain.includes(await realPath(path)) ? undefined : await list(path);
    if (inner === undefined || inner.others.includes('run.json')) leftOut.add('folder', 'folders');
    else for (const found of await picturesWithin(inner, exclude, leftOut, chain)) paths.push(found);
  }
  return paths;
}

async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw ioError('read', path, error);
  }
}

const noPicture = (path: string, received: string): OneSpikeError =>
  new OneSpikeError('ERR_FORMAT', `Expected at least one picture in the class folder ${path} but received ${received}`);

/** Errors: ERR_FORMAT for the only folder of all, if its folders look like the classes. */
async function checkLevel({ path, pictures, folders }: Listing): Promise<void> {
  if (pictures.length > 0) return;
  const inner = await Promise.all(folders.map((folder) => list(join(path, folder))));
  const holding = inner.filter((listing) => listing.pictures.length > 0).length;
  if (holding > 1)
    throw noPicture(path, `${holding} folders with pictures: the classes lie one level deeper; name ${path} instead`);
}

/** Why the folder of a class has no picture, and what to do about it. */
async function withoutPictures(name: string, { path, folders, others }: Listing): Promise<OneSpikeError> {
  if (others.length > 0) {
    const kinds = new Map<string, number>();
    for (const other of others) {
      const kind = `${extname(other).toLowerCase() || 'unnamed'} files`;
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    return noPicture(path, `${kindsText(kinds)}; pictures are ${pictureExtensions.join(' ')}`);
  }
  return noPicture(path, `${folders.length > 0 ? 'empty folders' : 'an empty folder'}; remove ${name}, or fill it`);
}
