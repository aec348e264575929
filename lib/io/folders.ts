// Folders: created one by one, so that those of a start that fails can be removed again.
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { isTemporary } from './descriptor';
import { isFolder } from './status';
import { ioError } from './system-error';
import { removeFile } from './write';

/**
 * Creates a folder and those above it where they are missing, and returns those that were created, outermost first.
 * Node's own recursive mkdir never returns where the system answers ENOENT under an existing folder, as /proc does.
 * Errors: ERR_IO.
 */
export async function makeFolder(path: string): Promise<string[]> {
  const above = await makeAbove(path);
  return (await makeNewFolder(path)) ? [...above, path] : above;
}

/** As `makeFolder` for the folders above `path` alone. */
async function makeAbove(path: string): Promise<string[]> {
  const above = dirname(path);
  return above === path || (await isFolder(above)) ? [] : makeFolder(above);
}

/** Makes a folder below one that exists; false if there is one already. Errors: ERR_IO. */
export async function makeNewFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    // A read-only file system answers EROFS whether or not the folder is there.
    if (await isFolder(path)) return false;
    throw ioError('create', path, error);
  }
}

/** Makes a new folder among the temporary files of the system, whose name begins with `prefix`. Errors: ERR_IO. */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  const path = join(tmpdir(), prefix);
  try {
    return await mkdtemp(path);
  } catch (error) {
    throw ioError('create', path, error);
  }
}

/** Removes a folder with all that it holds, as far as that is possible. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => undefined);
}

/** Removes those of the folders that are empty, the last one first. */
export async function removeEmptyFolders(paths: readonly string[]): Promise<void> {
  for (const path of [...paths].reverse()) await rmdir(path).catch(() => undefined);
}

/** What a folder holds besides temporary files. Errors: ERR_IO. */
export async function entriesOf(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw ioError('read', folder, error);
  });
  return names.filter((name) => !isTemporary(name));
}

/** Removes the temporary files that a killed process left in `folder`. Call it only while nobody writes there. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (isTemporary(name)) await removeFile(join(folder, name));
}
