// Files that appear whole or not at all. A failure is ERR_IO with the path, what was attempted and what the system
// said.
import { lstat, open, realpath, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { OneSpikeError } from '../errors';
import { flush, flushFolder, temporaryFor, writeAll } from './descriptor';
import { ioError, systemCode } from './system-error';

/** What `atomicWrite` takes: text (UTF-8), bytes, or pieces of them that are written one after the other. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array>;

/**
 * Writes a file so that at every moment, even through a crash, `path` holds the old content or the new one: a temporary
 * file in the same folder is flushed to disk and then renamed. The folder must exist. A symbolic link stays, and the
 * file that it names is replaced. Errors: ERR_IO; the temporary file is removed and `path` left as it was.
 */
export async function atomicWrite(path: string, content: FileContent): Promise<void> {
  try {
    const target = await replaceable(path);
    const temporary = temporaryFor(target);
    try {
      // 'wx' never opens a file that someone else has put there.
      const handle = await open(temporary, 'wx');
      try {
        let position = 0;
        for (const piece of pieces(content)) position = await writeAll(handle, piece, position);
        await flush(handle);
      } finally {
        await handle.close();
      }
      await rename(temporary, target);
    } catch (error) {
      await removeFile(temporary);
      throw error;
    }
    await flushFolder(dirname(target));
  } catch (error) {
    throw ioError('write', path, error);
  }
}

function pieces(content: FileContent): Iterable<Uint8Array> {
  if (typeof content === 'string') return [Buffer.from(content)];
  return ArrayBuffer.isView(content) ? [content as Uint8Array] : content;
}

/** The file that takes the new content. To rename over a device, /dev/null say, would replace the device. */
async function replaceable(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || found.isFile()) return path;
  if (!found.isSymbolicLink()) throw new OneSpikeError('ERR_IO', `Cannot write ${path}: not a regular file`);
  const target = await realpath(path).catch(() => undefined);
  return target === undefined ? path : replaceable(target);
}

/** Removes a file if it is there. One that cannot be removed stays: nothing depends on its absence. */
export async function removeFile(path: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await unlink(path);
      return;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
    }
  }
}

/** A file that grows over several attempts and takes its final name when it is whole, as a download does. */
export class PartialFile {
  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  /** Opens `path`, with what it holds if `keep`, else empty. Errors: ERR_IO. */
  static async open(path: string, keep: boolean): Promise<PartialFile> {
    try {
      return new PartialFile(path, await open(path, keep ? 'r+' : 'w'));
    } catch (error) {
      throw ioError('write', path, error);
    }
  }

  /** Writes every byte at `position`. Errors: ERR_IO. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.attempt(() => writeAll(this.handle, bytes, position));
  }

  /** Forgets what the file holds. Errors: ERR_IO. */
  async restart(): Promise<void> {
    await this.attempt(() => this.handle.truncate(0));
  }

  /** Errors: ERR_IO. */
  async flush(): Promise<void> {
    await this.attempt(() => flush(this.handle));
  }

  /** Errors: ERR_IO. */
  async close(): Promise<void> {
    await this.attempt(() => this.handle.close());
  }

  private async attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw ioError('write', this.path, error);
    }
  }
}

/** Gives a file that is whole and flushed its final name, in the same folder. Errors: ERR_IO. */
export async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await flushFolder(dirname(to));
  } catch (error) {
    throw ioError('write', to, error);
  }
}
