// What every writer of files needs: writing all bytes, flushing them to disk, and names of unfinished files.
import { randomBytes } from 'node:crypto';
import { fsync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { systemCode } from './system-error';

/** The most bytes of one call: Linux writes no more than 2 GiB at once. */
const MOST = 2 ** 28;

/** Answers of a file system that cannot flush. A failed flush (EIO, ENOSPC, EDQUOT) is none of them. */
const NO_FLUSH: readonly string[] = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

const TEMPORARY = /^\..+\.[0-9a-f]{12}\.tmp$/;

/** A hidden name in the folder of `path`. The name of the file is cut, so that a long one stays within 255 bytes. */
export function temporaryFor(path: string): string {
  return join(dirname(path), `.${basename(path).slice(0, 48)}.${randomBytes(6).toString('hex')}.tmp`);
}

export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Writes every byte at `position`, because one call may write fewer than it was given, and returns the position after
 * them.
 */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.byteLength; ) {
    const wanted = Math.min(MOST, bytes.byteLength - done);
    const { bytesWritten } = await handle.write(bytes, done, wanted, position + done);
    if (bytesWritten === 0) throw new Error(`the system wrote ${done} of ${bytes.byteLength} bytes`);
    done += bytesWritten;
  }
  return position + bytes.byteLength;
}

const flushDescriptor = promisify(fsync);

/**
 * Waits until the file is on disk, where the file system can tell. It goes through the descriptor, because the file
 * handles of Yarn's Plug'n'Play have no `sync`.
 */
export async function flush(handle: FileHandle): Promise<void> {
  try {
    await flushDescriptor(handle.fd);
  } catch (error) {
    if (!NO_FLUSH.includes(systemCode(error))) throw error;
  }
}

/** Puts the names in a folder on disk: without it a rename may be undone by a loss of power. */
export async function flushFolder(folder: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(folder, 'r');
  } catch (error) {
    // A folder may be writable and not readable.
    if (['EACCES', 'EPERM', 'EISDIR', ...NO_FLUSH].includes(systemCode(error))) return;
    throw error;
  }
  try {
    await flush(handle);
  } finally {
    await handle.close();
  }
}
