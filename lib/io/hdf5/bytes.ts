// The bytes of an HDF5 file, read at any place without trust in what the file says.
import { isUtf8 } from 'node:buffer';
import { OneSpikeError } from '../../errors';
import { UNDEFINED } from './format';

export class HdfBytes {
  readonly #seen = new Set<number>();

  constructor(
    private readonly bytes: Buffer,
    readonly path: string,
  ) {}

  get size(): number {
    return this.bytes.length;
  }

  /** A part of the file. Errors: ERR_FORMAT where the file does not have it. */
  part(at: number, length: number): Buffer {
    if (!(at >= 0 && length >= 0 && at + length <= this.bytes.length))
      throw this.damaged(at, `${length} bytes`, `a file of ${this.bytes.length} bytes`);
    return this.bytes.subarray(at, at + length);
  }

  /** A name or a text. Errors: ERR_FORMAT for bytes that are no UTF-8. */
  text(at: number, length: number): string {
    const bytes = this.part(at, length);
    if (!isUtf8(bytes)) throw this.damaged(at, 'a text in UTF-8', 'other bytes');
    return bytes.toString('utf8');
  }

  /** The text up to a byte of zero, which stands before `end`; undefined where none does. Errors: as `text`. */
  terminated(at: number, end: number): string | undefined {
    if (at >= end) return undefined;
    const length = this.part(at, end - at).indexOf(0);
    return length < 0 ? undefined : this.text(at, length);
  }

  /** Whether these bytes stand at a place. */
  has(at: number, text: string): boolean {
    return this.bytes.toString('latin1', at, at + text.length) === text;
  }

  expect(at: number, signature: string): void {
    if (!this.has(at, signature)) throw this.damaged(at, `'${signature}'`, 'other bytes');
  }

  /**
   * Notes that a node of a tree is read. Errors: ERR_FORMAT for one that was read before: a tree of shared nodes has as
   * many ways through it as it likes.
   */
  once(at: number): void {
    if (this.#seen.has(at)) throw this.damaged(at, 'nodes of trees that differ', 'one twice');
    this.#seen.add(at);
  }

  /** Reads numbers one after the other. */
  cursor(at: number, end = this.bytes.length): Cursor {
    return new Cursor(this, at, Math.min(end, this.bytes.length));
  }

  damaged(at: number, what: string, received: string, cause?: unknown): OneSpikeError {
    return new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} for ${this.path} at byte ${at} but received ${received}`,
      cause === undefined ? undefined : { cause },
    );
  }

  /** The error of what the format knows and this reader does not. */
  unread(at: number, what: string): OneSpikeError {
    return this.damaged(at, 'what this reader knows of HDF5', what);
  }
}

/** A place in a file that moves on as it is read, up to an end. */
export class Cursor {
  constructor(
    readonly file: HdfBytes,
    public at: number,
    readonly end: number,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  take(length: number): Buffer {
    if (length > this.left) throw this.file.damaged(this.at, `${length} more bytes`, `an end after ${this.left}`);
    const part = this.file.part(this.at, length);
    this.at += length;
    return part;
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  u16(): number {
    return this.take(2).readUInt16LE();
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  /** An address or a length; undefined for the one that means none. */
  u64(): number | undefined {
    const at = this.at;
    const value = this.take(8).readBigUInt64LE();
    if (value === UNDEFINED) return undefined;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.file.damaged(at, 'a number below 2^53', String(value));
    return Number(value);
  }

  /** Errors: ERR_FORMAT where there is none. */
  address(): number {
    const at = this.at;
    const value = this.u64();
    if (value === undefined) throw this.file.damaged(at, 'an address', 'none');
    return value;
  }

  skip(length: number): void {
    this.take(length);
  }
}
