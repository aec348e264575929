// Files that appear whole or not at all, and the one place where errors of the file system get their code.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { OneSpikeError } from '../errors';

/** What `atomicWrite` takes: text (UTF-8), bytes, or pieces of them that are written one after the other. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array>;

const TEMPORARY = /^\..+\.[0-9a-f]{12}\.tmp$/;

/**
 * Writes a file so that at every moment, even through a crash, `path` holds the old content or the new one: a temporary
 * file in the same folder, flushed to disk, takes the name. The folder must exist.
 * Errors: ERR_IO; the temporary file is removed and `path` left as it was.
 */
export async function atomicWrite(path: string, content: FileContent): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    // 'wx' never opens a file that someone else has put there.
    const handle = await open(temporary, 'wx');
    try {
      const pieces =
        typeof content === 'string'
          ? [Buffer.from(content)]
          : ArrayBuffer.isView(content)
            ? [content as Uint8Array]
            : content;
      for (const piece of pieces) await writeAll(handle, piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw ioError('write', path, error);
  }
  await syncFolder(dirname(path));
}

/**
 * Removes the temporary files that a killed process left in `folder`. Call it only while nobody writes there.
 * Errors: ERR_IO.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) if (TEMPORARY.test(name)) await rm(join(folder, name), { force: true });
  } catch (error) {
    throw ioError('clean', folder, error);
  }
}

/** Writes every byte: one call may take fewer than it was given, and takes no more than 2 GiB. */
async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  const most = 2 ** 28;
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(most, bytes.byteLength - done));
    done += bytesWritten;
  }
}

// The rename itself is only durable once the folder is on disk. File systems that cannot sync a folder say so with an
// error, and then there is nothing more to be had from them.
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    return;
  }
}

/**
 * Makes a folder and those above it, or finds it there. Node's own recursive mkdir never returns where the system answers
 * ENOENT under an existing folder, as /proc does.
 */
export async function makeFolder(path: string, parents = true): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && parents && dirname(path) !== path) {
      await makeFolder(dirname(path));
      return makeFolder(path, false);
    }
    // Something is there: a file, or a folder (of a read-only file system, too).
    if (
      !(await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      ))
    )
      throw ioError('create', path, error);
  }
}

/** An error of the file system as ERR_IO with the path; errors of onespike pass unchanged. */
export function ioError(action: string, path: string, error: unknown): OneSpikeError {
  if (error instanceof OneSpikeError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    EPERM: 'operation not permitted',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    EEXIST: 'something else has that name',
    ENOSPC: 'no space left on the device',
    EROFS: 'the file system is read-only',
  };
  const reason =
    typeof code === 'string' && Object.hasOwn(reasons, code) ? `${reasons[code]} (${code})` : String(message);
  return new OneSpikeError('ERR_IO', `Cannot ${action} ${path}: ${reason}`, { cause: error });
}
