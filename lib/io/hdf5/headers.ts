// Object headers: the messages that say what an object is and where its parts lie.
import { lookup3 } from './checksum';
import type { Cursor, HdfBytes } from './bytes';
import { MESSAGE } from './format';

/** A message of an object header. */
export interface Message {
  type: number;
  /** The place of its data, and where they end. */
  at: number;
  end: number;
}

const { dataspace, datatype, fill, layout, filters } = MESSAGE;
/** The messages of arrays. */
const READ = [dataspace, datatype, fill, layout, filters];

/** Objects have a dozen messages, groups one for each link. */
const MOST = 100_000;

/** The messages of the object at an address. Errors: ERR_FORMAT. */
export function messagesOf(file: HdfBytes, address: number): Message[] {
  return file.has(address, 'OHDR') ? second(file, address) : first(file, address);
}

/** Version 1: messages of eight bytes and their data, in one block and those that continuations name. */
function first(file: HdfBytes, address: number): Message[] {
  const head = file.cursor(address);
  if (head.u8() !== 1) throw file.damaged(address, 'an object header', 'other bytes');
  head.skip(1);
  const count = head.u16();
  head.skip(4);
  const size = head.u32();
  const messages = collect(file, { at: address + 16, length: size }, (block, found) => {
    while (block.left > 0) {
      const { at } = block;
      const type = block.u16();
      const length = block.u16();
      const flags = block.u8();
      block.skip(3);
      if (length % 8 !== 0) throw file.damaged(at, 'a message whose size is a multiple of eight bytes', String(length));
      push(file, found, type, flags, block, length);
    }
  });
  if (messages.length !== count) throw file.damaged(address, `${count} messages`, String(messages.length));
  return messages;
}

/** Version 2: as version 1 with shorter heads, and a checksum at the end of every block. */
function second(file: HdfBytes, address: number): Message[] {
  const head = file.cursor(address + 4);
  if (head.u8() !== 2) throw file.unread(address, 'an object header of another version');
  const flags = head.u8();
  if (flags & 0x20) head.skip(16);
  if (flags & 0x10) head.skip(4);
  const width = 2 ** (flags & 3);
  const size = width === 8 ? head.address() : width === 4 ? head.u32() : width === 2 ? head.u16() : head.u8();
  const tracked = (flags & 4) !== 0;
  let block = { at: head.at, length: size };
  checkSum(file, address, head.at + size);
  return collect(file, block, (cursor, found, continued) => {
    // A block that a message names begins with a signature and ends with its checksum.
    if (continued) {
      block = { at: cursor.at, length: cursor.left };
      file.expect(block.at, 'OCHK');
      cursor.skip(4);
      checkSum(file, block.at, cursor.end - 4);
    }
    const end = continued ? cursor.end - 4 : cursor.end;
    const least = tracked ? 6 : 4;
    while (end - cursor.at >= least) {
      const type = cursor.u8();
      const length = cursor.u16();
      const messageFlags = cursor.u8();
      if (tracked) cursor.skip(2);
      push(file, found, type, messageFlags, cursor, length);
    }
  });
}

function checkSum(file: HdfBytes, from: number, to: number): void {
  const stored = file.cursor(to).u32();
  const found = lookup3(file.part(from, to - from));
  if (stored !== found) throw file.damaged(to, `the checksum ${found}`, String(stored));
}

function push(file: HdfBytes, found: Message[], type: number, flags: number, cursor: Cursor, length: number): void {
  const at = cursor.at;
  cursor.skip(length);
  if (found.length >= MOST) throw file.damaged(at, `at most ${MOST} messages in an object`, 'more');
  // Shared and never to be shared; unknown to a program that wrote to the file, but not marked so or not to be written.
  const contradictory = (flags & 6) === 6 || ((flags & 0x20) !== 0 && (flags & 0x18) !== 0x10);
  if (contradictory) throw file.damaged(at, 'the flags of a message', `0x${flags.toString(16)}`);
  // Types that are not read may be shared; what is read here is always in place.
  if (flags & 2 && READ.includes(type as 1)) throw file.unread(at, 'a message that objects share');
  found.push({ type, at, end: at + length });
}

/** Reads the first block, and those that continuations name. */
function collect(
  file: HdfBytes,
  start: { at: number; length: number },
  read: (block: Cursor, found: Message[], continued: boolean) => void,
): Message[] {
  const found: Message[] = [];
  const blocks = [start];
  const seen = new Set<number>();
  for (let n = 0; n < blocks.length; n++) {
    const { at, length } = blocks[n]!;
    if (seen.has(at)) throw file.damaged(at, 'blocks of an object that differ', 'one twice');
    seen.add(at);
    file.part(at, length);
    const before = found.length;
    read(file.cursor(at, at + length), found, n > 0);
    for (const message of found.slice(before)) {
      if (message.type !== MESSAGE.continuation) continue;
      const cursor = file.cursor(message.at, message.end);
      blocks.push({ at: cursor.address(), length: cursor.address() });
    }
  }
  return found;
}
