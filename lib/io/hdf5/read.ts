// HDF5 files as NumPy's users write them: groups, numbers and texts, compressed or not. What else the format knows
// (links to elsewhere, compound types, dense groups) is refused by name.
import { OneSpikeError } from '../../errors';
import { InputFile } from '../binary/input-file';
import { lookup3 } from './checksum';
import { HdfBytes, type Cursor } from './bytes';
import { filtersOf, readChunks } from './chunks';
import { MESSAGE, SIGNATURE } from './format';
import { messagesOf, type Message } from './headers';
import { HeapTexts } from './heap';
import { linksOf } from './links';
import { arrayOf, heldBytes, typeOf } from './types';
import type { HdfArray, HdfGroup } from './values';

/** A file is read as a whole. */
const MOST_BYTES = 2 ** 31;
/** Deflate makes a byte of at most so many: an array of more was not in the file. */
const RATIO = 1032;
/** What all arrays may take in memory: arrays of one number compress a thousandfold, weights hardly. */
const mostHeld = (fileBytes: number): number => 2 ** 28 + 64 * fileBytes;
const MOST_OBJECTS = 100_000;
/** Of all objects: each has a dozen, or one for each link. */
const MOST_MESSAGES = 2_000_000;
const MOST_DEPTH = 64;

/** Reads a whole file. Errors: ERR_IO; ERR_FORMAT for a damaged file, and for what is not read, by name; ERR_OOM. */
export async function readHdf5(path: string): Promise<HdfGroup> {
  const bytes = await InputFile.use(path, async (input) => {
    if (input.size > MOST_BYTES) throw input.damaged(0, `at most ${MOST_BYTES} bytes`, String(input.size));
    return Buffer.from((await input.read(0, input.size)).buffer);
  });
  const file = new HdfBytes(bytes, path);
  const root = await new Reader(file).object(rootOf(file), []);
  if (root instanceof Map) return root;
  throw file.damaged(0, 'a group at the root', 'an array');
}

/** The address of the root group, from the superblock. */
function rootOf(file: HdfBytes): number {
  if (!file.has(0, SIGNATURE)) throw file.damaged(0, 'an HDF5 file', 'other bytes');
  const cursor = file.cursor(8);
  const version = cursor.u8();
  if (version > 3) throw file.unread(8, `a superblock of version ${version}`);
  if (version < 2) cursor.skip(4);
  if (cursor.u8() !== 8 || cursor.u8() !== 8) throw file.unread(9, 'addresses and lengths of other sizes than 8 bytes');
  if (version >= 2) {
    cursor.skip(1);
    if (cursor.address() !== 0) throw file.unread(12, 'a file that begins elsewhere');
    cursor.skip(8);
    checkEnd(file, cursor);
    const root = cursor.address();
    const stored = cursor.u32();
    if (stored !== lookup3(file.part(0, 44))) throw file.damaged(44, 'the checksum of the superblock', String(stored));
    return root;
  }
  cursor.skip(5);
  // Open for writing, closed, open for writing and reading.
  const flags = cursor.u32();
  if (flags > 7) throw file.unread(20, `the flags 0x${flags.toString(16)} of a superblock`);
  cursor.skip(version === 0 ? 0 : 4);
  if (cursor.address() !== 0) throw file.unread(24, 'a file that begins elsewhere');
  if (cursor.u64() !== undefined) throw file.unread(cursor.at - 8, 'a list of free space');
  checkEnd(file, cursor);
  if (cursor.u64() !== undefined) throw file.unread(cursor.at - 8, 'a driver');
  // The name of the root.
  cursor.skip(8);
  return cursor.address();
}

/** Errors: ERR_FORMAT for a file that ends before it says. */
function checkEnd(file: HdfBytes, cursor: Cursor): void {
  const { at } = cursor;
  const end = cursor.address();
  if (end > file.size) throw file.damaged(at, `${end} bytes`, `a file of ${file.size} bytes, which may be cut off`);
}

class Reader {
  /** What was read, by address: an object that has many names is read once. */
  readonly #objects = new Map<number, HdfArray | HdfGroup>();
  #messages = 0;
  /** The bytes of all arrays together, in the file and in memory. */
  #bytes = 0;
  #held = 0;
  readonly #texts: HeapTexts;

  constructor(private readonly file: HdfBytes) {
    this.#texts = new HeapTexts(file);
  }

  /** The object at an address; `above` are the groups that it is in, none of which it may be. */
  async object(address: number, above: readonly number[]): Promise<HdfArray | HdfGroup> {
    const { file } = this;
    if (above.includes(address)) throw file.damaged(address, 'groups that are not in themselves', 'one that is');
    if (above.length >= MOST_DEPTH) throw file.damaged(address, `at most ${MOST_DEPTH} groups in each other`, 'more');
    const known = this.#objects.get(address);
    if (known !== undefined) return known;
    if (this.#objects.size >= MOST_OBJECTS) throw file.damaged(address, `at most ${MOST_OBJECTS} objects`, 'more');
    const read = await this.#read(address, above);
    this.#objects.set(address, read);
    return read;
  }

  async #read(address: number, above: readonly number[]): Promise<HdfArray | HdfGroup> {
    const { file } = this;
    const messages = messagesOf(file, address);
    this.#messages += messages.length;
    if (this.#messages > MOST_MESSAGES) throw file.damaged(address, `at most ${MOST_MESSAGES} messages`, 'more');
    const links = linksOf(file, messages);
    if (links === undefined) return this.#array(address, messages);
    const group: HdfGroup = new Map();
    for (const [name, child] of links) group.set(name, await this.object(child, [...above, address]));
    return group;
  }

  async #array(address: number, messages: readonly Message[]): Promise<HdfArray> {
    const { file } = this;
    const find = (type: number): Message | undefined => messages.find((message) => message.type === type);
    const need = (type: number, what: string): Message => {
      const message = find(type);
      if (message === undefined) throw file.damaged(address, what, 'an object without one');
      return message;
    };
    const type = typeOf(file, need(MESSAGE.datatype, 'a type of elements'));
    const shape = shapeOf(file, need(MESSAGE.dataspace, 'a shape'));
    const count = shape.reduce((product, side) => product * side, 1);
    const length = count * type.size;
    this.#bytes += length;
    if (!(this.#bytes <= RATIO * file.size))
      throw file.damaged(address, `arrays of at most ${RATIO * file.size} bytes`, String(this.#bytes));
    this.#held += count * heldBytes(type);
    if (!(this.#held <= mostHeld(file.size)))
      throw file.damaged(address, `arrays of at most ${mostHeld(file.size)} bytes in memory`, String(this.#held));
    const filters = find(MESSAGE.filters);
    const fill = fillOf(file, find(MESSAGE.fill) ?? find(MESSAGE.oldFill), type.size);
    if (fill !== undefined && type.kind === 'texts') throw file.unread(address, 'texts that were never written');
    const bytes = await this.#elements(need(MESSAGE.layout, 'a layout'), filters, shape, type.size, length, fill);
    return arrayOf(this.#texts, type, shape, bytes, count);
  }

  async #elements(
    layout: Message,
    filters: Message | undefined,
    shape: readonly number[],
    size: number,
    length: number,
    fill: Buffer | undefined,
  ): Promise<Buffer> {
    const { file } = this;
    const cursor = file.cursor(layout.at, layout.end);
    const version = cursor.u8();
    if (version !== 3 && version !== 4) throw file.unread(layout.at, `a layout of version ${version}`);
    const kind = cursor.u8();
    if (kind === 0) {
      const stored = cursor.u16();
      if (stored < length) throw file.damaged(layout.at, `${length} bytes of elements`, String(stored));
      return cursor.take(length);
    }
    if (kind === 1) {
      const address = cursor.u64();
      const stored = cursor.address();
      if (address === undefined) return unwritten(length, fill);
      if (stored < length) throw file.damaged(layout.at, `${length} bytes of elements`, String(stored));
      return file.part(address, length);
    }
    if (kind !== 2 || version !== 3) throw file.unread(layout.at, 'a layout of another kind');
    const rank = cursor.u8() - 1;
    const tree = cursor.u64();
    const chunk = Array.from({ length: Math.max(0, rank) }, () => cursor.u32());
    if (rank !== shape.length || rank === 0 || chunk.includes(0))
      throw file.damaged(layout.at, `chunks of ${shape.length} dimensions`, String(rank));
    const stored = chunk.reduce((product, side) => product * side, size);
    if (!(stored <= RATIO * file.size))
      throw file.damaged(layout.at, 'a chunk that the file can hold', `${stored} bytes`);
    const into = unwritten(length, fill);
    const applied = filters === undefined ? [] : filtersOf(file, filters);
    await readChunks(file, { tree, shape, chunk, size, filters: applied }, into);
    return into;
  }
}

/** Elements that were never written: zero, or what the array has in their place. */
function unwritten(length: number, fill: Buffer | undefined): Buffer {
  try {
    return Buffer.alloc(length, fill);
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', `Expected memory for an array of ${length} bytes but received none`, { cause });
  }
}

/** What elements are that were never written; undefined for zero. Errors: ERR_FORMAT. */
function fillOf(file: HdfBytes, message: Message | undefined, size: number): Buffer | undefined {
  if (message === undefined) return undefined;
  const { type, at, end } = message;
  const cursor = file.cursor(at, end);
  if (type === MESSAGE.fill && !hasFill(file, cursor)) return undefined;
  const bytes = cursor.take(cursor.u32());
  if (bytes.length > 0 && bytes.length !== size)
    throw file.damaged(at, `a fill value of ${size} bytes`, String(bytes.length));
  return bytes.every((byte) => byte === 0) ? undefined : bytes;
}

/** Whether a value stands behind the head of a message, which the message of old files does not have. */
function hasFill(file: HdfBytes, cursor: Cursor): boolean {
  const { at } = cursor;
  const version = cursor.u8();
  if (version < 1 || version > 3) throw file.unread(at, `a fill value of version ${version}`);
  // When it is written, which nobody asks here, and whether there is one.
  if (version < 3) cursor.skip(2);
  const flags = cursor.u8();
  return version === 3 ? (flags & 0x20) !== 0 : version === 1 || flags !== 0;
}

function shapeOf(file: HdfBytes, { at, end }: Message): number[] {
  const cursor = file.cursor(at, end);
  const version = cursor.u8();
  if (version !== 1 && version !== 2) throw file.unread(at, `a shape of version ${version}`);
  const rank = cursor.u8();
  const flags = cursor.u8();
  const kind = cursor.u8();
  if (version === 1) cursor.skip(4);
  // An array without elements, which is not one of a single element.
  if (version === 2 && kind === 2) return [0];
  const shape = Array.from({ length: rank }, () => cursor.address());
  // What an array may grow to follows; it is open where there is no limit.
  for (const side of (flags & 1) !== 0 ? shape : []) {
    const most = cursor.u64() ?? Infinity;
    if (side > most) throw file.damaged(at, 'a side within its limit', `${side} above ${most}`);
  }
  return shape;
}
