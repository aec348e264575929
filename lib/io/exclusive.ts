// Files of which only one may exist, as a lock is, or the request that a folder belongs to.
import type { Stats } from 'node:fs';
import { link, open, readFile, rename, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { OneSpikeError } from '../errors';
import { flush, temporaryFor, writeAll } from './descriptor';
import { entriesOf, makeFolder, removeEmptyFolders } from './folders';
import { exists } from './status';
import { ioError, systemCode } from './system-error';
import { removeFile } from './write';

/**
 * Makes a file that must not exist yet, with its whole content from its first moment: a hard link is atomic, even on
 * NFS. Where the file system has no hard links (FAT, exFAT, shared folders of virtual machines, many FUSE file
 * systems), an exclusive open takes their place, and the file is empty for a moment.
 * Returns the open file, which the caller closes, or undefined if `path` exists. Errors: ERR_IO.
 */
export async function createExclusive(path: string, content: string): Promise<FileHandle | undefined> {
  const temporary = temporaryFor(path);
  try {
    const handle = await createWith(temporary, content);
    const linked = await linkTo(temporary, path, handle);
    if (linked === true) return handle;
    await handle.close();
    return linked === false ? undefined : await createWith(path, content);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined;
    throw ioError('create', path, error);
  } finally {
    await removeFile(temporary);
  }
}

/** True if the link was created, false if `path` exists, undefined if the file system refuses links. */
async function linkTo(temporary: string, path: string, handle: FileHandle): Promise<boolean | undefined> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    // The answer of an NFS server may be lost and the request be sent again: two names mean that the first one created
    // it.
    const links = await handle.stat().then(
      (found) => found.nlink,
      () => 1,
    );
    if (links === 2) return true;
    return systemCode(error) === 'EEXIST' ? false : undefined;
  }
}

/** An exclusively created, open file with its content on disk. */
async function createWith(path: string, content: string): Promise<FileHandle> {
  const handle = await open(path, 'wx+');
  try {
    await writeAll(handle, Buffer.from(content), 0);
    await flush(handle);
    return handle;
  } catch (error) {
    await handle.close();
    await removeFile(path);
    throw error;
  }
}

export interface FileText {
  text: string;
  status: Stats;
}

/** A file with its status, or undefined if there is none. Errors: ERR_IO. */
export async function readIfThere(path: string): Promise<FileText | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      return { text: await handle.readFile('utf8'), status: await handle.stat() };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw ioError('read', path, error);
  }
}

/** Whether `path` names the file that is open, which needs no other file to be opened. */
export async function isAt(path: string, handle: FileHandle): Promise<boolean> {
  try {
    const [named, held] = await Promise.all([stat(path), handle.stat()]);
    return named.ino === held.ino && named.dev === held.dev;
  } catch {
    return false;
  }
}

/**
 * Writes the content of the file once more, which sets its time by the clock of its file system. Failures are ignored.
 */
export async function refresh(handle: FileHandle, content: string): Promise<void> {
  try {
    await writeAll(handle, Buffer.from(content), 0);
    await flush(handle);
  } catch {
    return;
  }
}

/** The time in milliseconds by the clock of the file system of `folder`, which may be a server's. Errors: ERR_IO. */
export async function fileSystemNow(folder: string): Promise<number> {
  const path = temporaryFor(join(folder, 'clock'));
  try {
    const handle = await open(path, 'wx');
    try {
      return (await handle.stat()).mtimeMs;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('write', path, error);
  } finally {
    await removeFile(path);
  }
}

/**
 * Moves a file aside, so that of several processes that want it gone one has it, and returns its new path, or undefined
 * if it is gone. Errors: ERR_IO.
 */
export async function moveAside(path: string): Promise<string | undefined> {
  const aside = temporaryFor(path);
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw ioError('remove', path, error);
  }
}

/** Gives a file back the name that it was moved away from, unless the name is in use again. */
export async function moveBack(aside: string, path: string): Promise<void> {
  try {
    await link(aside, path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (!(await exists(path))) await rename(aside, path).catch(() => undefined);
  }
}

/** The request: the file that holds it, its text, and what it is called in messages. */
export interface Claim {
  name: string;
  content: string;
  what: string;
}

/**
 * Creates the folder with the file of the request, or checks that it is there already. Returns a function that undoes
 * this as long as nothing else is in the folder, so that work which is refused at its beginning leaves it free.
 * Errors: ERR_STATE if the folder holds another request, or anything else; ERR_IO.
 */
export async function claimFolder(path: string, { name, content, what }: Claim): Promise<() => Promise<void>> {
  const file = join(path, name);
  if ((await exists(path)) && !(await exists(file))) {
    const held = await entriesOf(path);
    if (held.length > 0)
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected an empty or new folder, or that of this ${what}, for out but ${path} holds ${held.length} other entries`,
      );
  }
  const created = await makeFolder(path);
  const handle = await createExclusive(file, content);
  if (handle === undefined && (await readText(file)) !== content)
    throw new OneSpikeError(
      'ERR_STATE',
      `Expected the ${what} of ${file} but received another one; name another folder by --out (out), or restore the ${what}`,
    );
  await handle?.close();
  return async () => {
    // The folder may be gone, which is no error here.
    const held = handle === undefined ? undefined : await entriesOf(path).catch(() => undefined);
    if (held === undefined || held.some((entry) => entry !== name)) return;
    await removeFile(file);
    await removeEmptyFolders(created);
  };
}

/** The text of a file. Errors: ERR_IO. */
export async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw ioError('read', path, error);
  });
}
