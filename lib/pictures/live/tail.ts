// A file of JSON Lines that another process writes to, read as it grows. A run that was killed and goes on cuts its
// file back to a checkpoint and writes other lines there: what was read before is then no longer in the file.
import { open } from 'node:fs/promises';
import { ioError, systemCode } from '../../io/system-error';

/** Bytes of one read: the event loop turns between two of them. */
const PIECE_BYTES = 2 ** 20;

/** What a read has found. */
export interface TailPiece {
  /** Whole lines, in order. */
  lines: string[];
  /** The file no longer holds what was read before: `lines` are its first ones. */
  restarted: boolean;
  /** Whether more may be there already. */
  more: boolean;
  /** When the file was last written, in milliseconds since 1970; null where there is no file. */
  time: number | null;
}

export class Tail {
  /** Where the next line begins. */
  #position = 0;
  /** The last line that was read, with its end. */
  #last = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /** The next lines; what follows the last end of a line is being written. Errors: ERR_IO. */
  async read(): Promise<TailPiece> {
    try {
      const handle = await open(this.path, 'r');
      try {
        const { size, mtimeMs: time } = await handle.stat();
        const from = this.#position - this.#last.length;
        const bytes = Buffer.alloc(Math.max(0, Math.min(PIECE_BYTES + this.#last.length, size - from)));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
        const piece = bytes.subarray(0, bytesRead);
        const known = piece.subarray(0, this.#last.length);
        if (!known.equals(this.#last)) return { ...this.#restart(), time };
        return { ...this.#take(piece.subarray(known.length)), restarted: false, time };
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw ioError('read', this.path, error);
      return { ...this.#restart(), more: false, time: null };
    }
  }

  /** What is there by now, a piece at a time. Errors: ERR_IO. */
  async *pieces(): AsyncGenerator<TailPiece> {
    for (let more = true; more; ) {
      const piece = await this.read();
      yield piece;
      more = piece.more;
    }
  }

  #restart(): Omit<TailPiece, 'time'> {
    const restarted = this.#position > 0;
    this.#position = 0;
    this.#last = Buffer.alloc(0);
    return { lines: [], restarted, more: restarted };
  }

  #take(bytes: Buffer): Pick<TailPiece, 'lines' | 'more'> {
    const end = bytes.lastIndexOf(10) + 1;
    if (end === 0) return { lines: [], more: false };
    this.#position += end;
    const start = end === 1 ? 0 : bytes.lastIndexOf(10, end - 2) + 1;
    this.#last = Buffer.from(bytes.subarray(start, end));
    return { lines: bytes.toString('utf8', 0, end - 1).split('\n'), more: bytes.length >= PIECE_BYTES };
  }
}
