// Texts of any length: they lie in heaps, and elements of arrays name them.
import { isUtf8 } from 'node:buffer';
import type { HdfBytes } from './bytes';

/** An object of a heap has 16 bytes at least. */
const OBJECT_BYTES = 16;

interface Place {
  at: number;
  size: number;
}

/**
 * The texts of a file. Each heap is looked through once, and all texts together are no longer than the file: whoever
 * writes one gives every text a place of its own, so that a file of one long text that is named a million times is
 * none.
 */
export class HeapTexts {
  readonly #heaps = new Map<number, ReadonlyMap<number, Place>>();
  #objectsLeft: number;
  #bytesLeft: number;

  constructor(private readonly file: HdfBytes) {
    this.#objectsLeft = Math.ceil(file.size / OBJECT_BYTES);
    this.#bytesLeft = file.size;
  }

  /**
   * The text that a reference of sixteen bytes names: its length, its heap and its number there. Errors: ERR_FORMAT.
   */
  text(bytes: Buffer, at: number): string {
    const { file } = this;
    const length = bytes.readUInt32LE(at);
    const heap = bytes.readBigUInt64LE(at + 4);
    const number = bytes.readUInt32LE(at + 12);
    if (length === 0) return '';
    if (heap > BigInt(file.size)) throw file.damaged(file.size, 'a heap within the file', `one at ${heap}`);
    const address = Number(heap);
    const found = this.#objects(address).get(number);
    if (found === undefined || found.size !== length)
      throw file.damaged(address, `object ${number} of ${length} bytes in the heap`, 'none');
    this.#bytesLeft -= length;
    if (this.#bytesLeft < 0) throw file.damaged(found.at, `texts of at most ${file.size} bytes`, 'more');
    return file.text(found.at, length);
  }

  /** A text that lies in an array itself, up to a byte of zero. Errors: ERR_FORMAT for bytes that are no UTF-8. */
  within(bytes: Buffer): string {
    const end = bytes.indexOf(0);
    const own = end < 0 ? bytes : bytes.subarray(0, end);
    if (!isUtf8(own)) throw this.file.damaged(0, 'texts in UTF-8', 'other bytes');
    return own.toString('utf8');
  }

  /** The objects of the heap at an address, by their numbers. */
  #objects(address: number): ReadonlyMap<number, Place> {
    const known = this.#heaps.get(address);
    if (known !== undefined) return known;
    const { file } = this;
    file.expect(address, 'GCOL');
    const objects = new Map<number, Place>();
    const cursor = file.cursor(address + 8);
    const end = address + cursor.address();
    while (cursor.at + OBJECT_BYTES <= end) {
      if (this.#objectsLeft-- <= 0) throw file.damaged(cursor.at, 'heaps that lie side by side', 'overlapping ones');
      const number = cursor.u16();
      cursor.skip(6);
      const size = cursor.address();
      // What is free ends the heap, and its size counts its own head.
      if (number === 0 && cursor.at - OBJECT_BYTES + size !== end)
        throw file.damaged(cursor.at, 'free space up to the end of the heap', `${size} bytes`);
      if (number === 0) break;
      if (!objects.has(number)) objects.set(number, { at: cursor.at, size });
      cursor.skip(Math.ceil(size / 8) * 8);
    }
    this.#heaps.set(address, objects);
    return objects;
  }
}
