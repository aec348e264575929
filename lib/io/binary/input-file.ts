// A file that is read at any position, without trust in what it says of itself.
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';

import { OneSpikeError } from '../../errors';
import { ioError } from '../system-error';

const CHUNK = 2 ** 26;

/** A regular file that is open for reading. */
export class InputFile {
  private constructor(
    readonly path: string,
    /** The number of bytes. */
    readonly size: number,
    private readonly handle: FileHandle,
  ) {}

  /** Opens a file, does the work with it, and closes it whatever happens. Errors: ERR_IO, and those of the work. */
  static async use<T>(path: string, work: (file: InputFile) => Promise<T>): Promise<T> {
    let handle: FileHandle | undefined;
    try {
      // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
      handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const stat = await handle.stat();
      if (!stat.isFile()) throw new OneSpikeError('ERR_IO', `Cannot read ${path}: not a regular file`);
      return await work(new InputFile(path, stat.size, handle));
    } catch (error) {
      throw ioError('read', path, error);
    } finally {
      await handle?.close().catch(() => undefined);
    }
  }

  /**
   * Reads `length` bytes; nothing is allocated that the file does not have. Errors: ERR_FORMAT if the file ends before,
   * ERR_OOM.
   */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const missing = position + length - this.size;
    if (missing > 0) throw this.damaged(Math.min(position, this.size), `${missing} more bytes`, 'the end of the file');
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(length);
    } catch (error) {
      throw new OneSpikeError('ERR_OOM', `Cannot read ${this.path}: no memory for ${length} bytes`, { cause: error });
    }
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.handle.read(bytes, done, Math.min(CHUNK, length - done), position + done);
      if (bytesRead === 0) throw this.damaged(position + done, `${length - done} more bytes`, 'the end of the file');
      done += bytesRead;
    }
    return bytes;
  }

  /** The first bytes, at most so many. */
  async head(length: number): Promise<Buffer> {
    return Buffer.from((await this.read(0, Math.min(length, this.size))).buffer);
  }

  /** The ERR_FORMAT of what stands at a position. */
  damaged(position: number, what: string, received: string, cause?: unknown): OneSpikeError {
    return new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} for ${this.path} at byte ${position} but received ${received}`,
      cause === undefined ? undefined : { cause },
    );
  }
}
