// Arrays in chunks, which may be compressed.
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import type { Cursor, HdfBytes } from './bytes';
import { fletcher32 } from './checksum';
import type { Message } from './headers';

const inflateAsync = promisify(inflate);
const MOST_LEVELS = 32;

export interface Filter {
  id: number;
  /** The size of an element, for the filter that sorts bytes. */
  values: number[];
}

const DEFLATE = 1;
const SHUFFLE = 2;
const FLETCHER = 3;

/**
 * The filters that a message lists, in the order in which they were applied. Errors: ERR_FORMAT for those that are not
 * read.
 */
export function filtersOf(file: HdfBytes, { at, end }: Message): Filter[] {
  const cursor = file.cursor(at, end);
  const version = cursor.u8();
  if (version !== 1 && version !== 2) throw file.unread(at, `filters of version ${version}`);
  const count = cursor.u8();
  if (version === 1) cursor.skip(6);
  return Array.from({ length: count }, () => {
    const id = cursor.u16();
    const named = version === 1 || id >= 256 ? cursor.u16() : 0;
    cursor.skip(2);
    const values = cursor.u16();
    cursor.skip(version === 1 ? Math.ceil(named / 8) * 8 : named);
    const filter = { id, values: Array.from({ length: values }, () => cursor.u32()) };
    if (version === 1 && values % 2 === 1) cursor.skip(4);
    if (![DEFLATE, SHUFFLE, FLETCHER].includes(id)) throw file.unread(at, `the filter ${id}`);
    if (id === DEFLATE && (filter.values[0] ?? 0) > 9)
      throw file.damaged(at, 'a level of compression up to 9', String(filter.values[0]));
    return filter;
  });
}

export interface Chunked {
  tree: number | undefined;
  /** The shape of the array, that of a chunk, and the bytes of an element. */
  shape: readonly number[];
  chunk: readonly number[];
  size: number;
  filters: readonly Filter[];
}

/** Writes the chunks of an array over the elements that were never written. Errors: ERR_FORMAT. */
export async function readChunks(file: HdfBytes, array: Chunked, into: Buffer): Promise<void> {
  // Nodes that overlap could list the chunks over and over.
  const count = array.shape.reduce((product, side, i) => product * Math.ceil(side / array.chunk[i]!), 1);
  if (array.tree !== undefined) await readNode(file, array.tree, array, into, MOST_LEVELS, { left: count });
}

async function readNode(
  file: HdfBytes,
  address: number,
  array: Chunked,
  into: Buffer,
  levels: number,
  chunks: { left: number },
): Promise<void> {
  file.expect(address, 'TREE');
  file.once(address);
  const cursor = file.cursor(address + 4);
  if (cursor.u8() !== 1) throw file.damaged(address, 'the tree of an array', 'that of a group');
  const level = cursor.u8();
  const count = cursor.u16();
  cursor.skip(16);
  if (level >= levels) throw file.damaged(address, `a level below ${levels}`, String(level));
  let key = keyOf(file, cursor, array);
  for (let i = 0; i < count; i++) {
    const { stored, skipped, place, offset } = key;
    if (offset !== 0)
      throw file.damaged(cursor.at, 'chunks of whole elements', `one from byte ${offset} of an element`);
    const child = cursor.address();
    key = keyOf(file, cursor, array);
    // Who looks for a chunk finds it between the keys beside it; behind the last one stands where the node ends.
    if (!precedes([...place, offset], [...key.place, key.offset]))
      throw file.damaged(cursor.at, 'chunks in their order', `${place.join(', ')} before ${key.place.join(', ')}`);
    if (level > 0) {
      await readNode(file, child, array, into, level, chunks);
      continue;
    }
    if (chunks.left-- <= 0) throw file.damaged(address, 'as many chunks as the array has', 'more');
    copyRows(array, place, await unfilter(file, child, file.part(child, stored), skipped, array), into);
  }
}

/** Whether a place comes before another one, in the order in which the last index runs fastest. */
function precedes(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((index, d) => index !== b[d]);
  return at >= 0 && a[at]! < b[at]!;
}

interface Key {
  /** The bytes of a chunk in the file, and the filters that were skipped, a bit of each. */
  stored: number;
  skipped: number;
  /** Its first element, and the offset within one. */
  place: number[];
  offset: number;
}

/** Errors: ERR_FORMAT for a place that is not on the grid of chunks. */
function keyOf(file: HdfBytes, cursor: Cursor, { shape, chunk, size }: Chunked): Key {
  const [stored, skipped] = [cursor.u32(), cursor.u32()];
  const { at } = cursor;
  const place = shape.map(() => cursor.address());
  const offset = cursor.address();
  if (offset % size !== 0 || place.some((start, d) => start % chunk[d]! !== 0))
    throw file.damaged(at, 'the place of a chunk', [...place, offset].join(', '));
  return { stored, skipped, place, offset };
}

/** Undoes the filters of a chunk, but those that it skipped. */
async function unfilter(
  file: HdfBytes,
  at: number,
  stored: Buffer,
  skipped: number,
  { chunk, size, filters }: Chunked,
): Promise<Buffer> {
  const expected = chunk.reduce((product, side) => product * side, size);
  let bytes = stored;
  for (const [i, { id, values }] of [...filters.entries()].reverse()) {
    if (skipped & (1 << i)) continue;
    if (id === FLETCHER) bytes = checked(file, at, bytes);
    else if (id === SHUFFLE) bytes = unshuffle(bytes, values[0] ?? size);
    else
      try {
        bytes = await inflateAsync(bytes, { maxOutputLength: expected + 4 });
      } catch (error) {
        throw file.damaged(at, `a compressed chunk of ${expected} bytes`, (error as Error).message, error);
      }
  }
  if (bytes.length !== expected) throw file.damaged(at, `a chunk of ${expected} bytes`, String(bytes.length));
  return bytes;
}

/** The bytes before a checksum. Errors: ERR_FORMAT where it is another. */
function checked(file: HdfBytes, at: number, stored: Buffer): Buffer {
  const end = stored.length - 4;
  if (end < 0) throw file.damaged(at, 'a chunk with its checksum', `${stored.length} bytes`);
  const bytes = stored.subarray(0, end);
  const sum = fletcher32(bytes);
  if (stored.readUInt32LE(end) !== sum) throw file.damaged(at, `the checksum ${sum}`, String(stored.readUInt32LE(end)));
  return bytes;
}

/** The first bytes of all elements come first, then the second ones, and so on. */
function unshuffle(bytes: Buffer, size: number): Buffer {
  const count = Math.floor(bytes.length / Math.max(1, size));
  const out = Buffer.from(bytes);
  for (let k = 0; k < size; k++) for (let i = 0; i < count; i++) out[i * size + k] = bytes[k * count + i]!;
  return out;
}

/** Copies the rows of a chunk that lie within the array. */
function copyRows({ shape, chunk, size }: Chunked, place: readonly number[], bytes: Buffer, into: Buffer): void {
  const last = shape.length - 1;
  const run = Math.min(chunk[last]!, shape[last]! - place[last]!);
  if (run <= 0) return;
  const rows = chunk.slice(0, last).reduce((product, side) => product * side, 1);
  for (let row = 0; row < rows; row++) {
    let rest = row;
    let target = 0;
    let stride = 1;
    let within = true;
    // From the last dimension but one to the first.
    for (let d = last; d >= 0; d--) {
      const at = d === last ? 0 : rest % chunk[d]!;
      if (d < last) rest = Math.floor(rest / chunk[d]!);
      if (place[d]! + at >= shape[d]!) within = false;
      target += (place[d]! + at) * stride;
      stride *= shape[d]!;
    }
    if (within) bytes.copy(into, target * size, row * chunk[last]! * size, (row * chunk[last]! + run) * size);
  }
}
