// The links of a group: in its header, or in the tree and the heap of a group of the old kind.
import type { Cursor, HdfBytes } from './bytes';
import { MESSAGE } from './format';
import type { Message } from './headers';

/** Trees of larger files than fit into memory are not this high. */
const MOST_LEVELS = 32;
const MOST_LINKS = 100_000;

/** The objects of a group: addresses by name; undefined if the object is no group. Errors: ERR_FORMAT. */
export function linksOf(file: HdfBytes, messages: readonly Message[]): Map<string, number> | undefined {
  const found = new Map<string, number>();
  let group = false;
  for (const message of messages) {
    if (message.type === MESSAGE.symbolTable) {
      const cursor = file.cursor(message.at, message.end);
      readTree(file, cursor.address(), heapAt(file, cursor.address()), found, MOST_LEVELS);
      group = true;
    } else if (message.type === MESSAGE.link) {
      readLink(file, message, found);
      group = true;
    } else if (message.type === MESSAGE.linkInfo) {
      const cursor = file.cursor(message.at, message.end);
      cursor.skip(1);
      if (cursor.u8() & 1) cursor.skip(8);
      if (cursor.u64() !== undefined) throw file.unread(message.at, 'a group whose links lie in a fractal heap');
      group = true;
    }
  }
  return group ? found : undefined;
}

function add(file: HdfBytes, found: Map<string, number>, at: number, name: string, address: number): void {
  if (name === '') throw file.damaged(at, 'a link with a name', 'none');
  if (found.has(name)) throw file.damaged(at, 'links whose names differ', `'${name}' twice`);
  if (found.size >= MOST_LINKS) throw file.damaged(at, `at most ${MOST_LINKS} links`, 'more');
  found.set(name, address);
}

function readLink(file: HdfBytes, { at, end }: Message, found: Map<string, number>): void {
  const cursor = file.cursor(at, end);
  if (cursor.u8() !== 1) throw file.unread(at, 'a link of another version');
  const flags = cursor.u8();
  const kind = flags & 8 ? cursor.u8() : 0;
  if (kind !== 0) throw file.unread(at, 'a link that is not hard');
  if (flags & 4) cursor.skip(8);
  if (flags & 16) cursor.skip(1);
  const width = 2 ** (flags & 3);
  const length = width === 1 ? cursor.u8() : width === 2 ? cursor.u16() : width === 4 ? cursor.u32() : cursor.address();
  const name = file.text(cursor.at, length);
  cursor.skip(length);
  add(file, found, at, name, cursor.address());
}

/** The names of an old group: where they begin, and where they end. */
interface LocalHeap {
  at: number;
  end: number;
}

/** The place in a local heap that ends the list of its free blocks. */
const NO_FREE_BLOCK = 1;

function heapAt(file: HdfBytes, address: number): LocalHeap {
  file.expect(address, 'HEAP');
  const cursor = file.cursor(address + 4);
  const version = cursor.u8();
  if (version !== 0) throw file.unread(address, `a local heap of version ${version}`);
  cursor.skip(3);
  const size = cursor.address();
  const free = cursor.address();
  const at = cursor.address();
  file.part(at, size);
  checkFreeBlocks(file, { at, end: at + size }, free);
  return { at, end: at + size };
}

/** Errors: ERR_FORMAT for free blocks that do not lie in the heap, or whose list does not end. */
function checkFreeBlocks(file: HdfBytes, { at, end }: LocalHeap, first: number): void {
  // A block holds the place of the next one and its own size.
  let left = Math.floor((end - at) / 16);
  for (let free = first; free !== NO_FREE_BLOCK; ) {
    if (at + free + 16 > end || left-- <= 0) throw file.damaged(at, 'free blocks within their heap', `one at ${free}`);
    const cursor = file.cursor(at + free);
    const next = cursor.address();
    const size = cursor.address();
    if (at + free + size > end) throw file.damaged(at + free, 'a free block within its heap', `${size} bytes`);
    free = next;
  }
}

function readTree(file: HdfBytes, address: number, heap: LocalHeap, found: Map<string, number>, levels: number): void {
  file.expect(address, 'TREE');
  file.once(address);
  const cursor = file.cursor(address + 4);
  if (cursor.u8() !== 0) throw file.damaged(address, 'the tree of a group', 'that of an array');
  const level = cursor.u8();
  const count = cursor.u16();
  cursor.skip(16);
  // Each level is below the one before: a tree that leads to itself ends here.
  if (level >= levels) throw file.damaged(address, `a level below ${levels}`, String(level));
  let left = nameAt(file, cursor, heap);
  for (let i = 0; i < count; i++) {
    const child = cursor.address();
    const right = nameAt(file, cursor, heap);
    if (level > 0) readTree(file, child, heap, found, level);
    else readNode(file, child, heap, found, [left, right]);
    left = right;
  }
}

/** The name whose place in the heap comes next. Errors: ERR_FORMAT. */
function nameAt(file: HdfBytes, cursor: Cursor, heap: LocalHeap): string {
  const { at } = cursor;
  const name = file.terminated(heap.at + cursor.address(), heap.end);
  if (name === undefined) throw file.damaged(at, 'a name within the heap of its group', 'none');
  return name;
}

/** Whether a name comes before another one, in the order of their bytes. */
const precedes = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

/** The links of a node, whose names are above the first one of `keys` and up to the second. */
function readNode(
  file: HdfBytes,
  address: number,
  heap: LocalHeap,
  found: Map<string, number>,
  keys: readonly [string, string],
): void {
  file.expect(address, 'SNOD');
  file.once(address);
  const cursor = file.cursor(address + 4);
  const version = cursor.u8();
  if (version !== 1) throw file.unread(address, `a node of version ${version}`);
  cursor.skip(1);
  const count = cursor.u16();
  let [last] = keys;
  for (let i = 0; i < count; i++) {
    const at = cursor.at;
    const name = nameAt(file, cursor, heap);
    const object = cursor.address();
    const kind = cursor.u32();
    cursor.skip(20);
    if (kind > 1) throw file.unread(at, 'a link that is not hard');
    add(file, found, at, name, object);
    // Who looks for a name finds it by this order.
    if (!precedes(last, name) || precedes(keys[1], name))
      throw file.damaged(at, 'names in their order', `'${name}' after '${last}'`);
    last = name;
  }
}
