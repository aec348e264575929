// HDF5 files (format specification 3.0): superblock 2, object headers 2, groups with their links in the header, arrays
// in one piece. Everything since HDF5 1.8 reads that.
import { lookup3 } from './checksum';
import { MESSAGE, SIGNATURE, UNDEFINED } from './format';
import { isGroup, type HdfArray, type HdfGroup } from './values';

const SUPERBLOCK = 48;

const u8 = (...values: number[]): Buffer => Buffer.from(values);
const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
};
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** The file as pieces, for `atomicWrite`. */
export function encodeHdf5(root: HdfGroup): Uint8Array[] {
  const file = new Pieces(SUPERBLOCK);
  const rootAddress = addGroup(file, root);
  const head = Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    u8(2, 8, 8, 0),
    u64(0),
    u64(UNDEFINED),
    u64(file.end),
    u64(rootAddress),
  ]);
  return [Buffer.concat([head, u32(lookup3(head))]), ...file.pieces];
}

/** What has been laid out so far, in multiples of eight bytes. */
class Pieces {
  readonly pieces: Uint8Array[] = [];

  constructor(public end: number) {}

  /** Adds a piece, and returns its address. */
  add(piece: Uint8Array): number {
    const address = this.end;
    const rest = -piece.byteLength & 7;
    this.pieces.push(piece, Buffer.alloc(rest));
    this.end += piece.byteLength + rest;
    return address;
  }
}

function addGroup(file: Pieces, group: HdfGroup): number {
  // Addresses of what is in it come first.
  const links = [...group].map(([name, value]) =>
    link(name, isGroup(value) ? addGroup(file, value) : addArray(file, value)),
  );
  return addHeader(file, [
    [MESSAGE.linkInfo, Buffer.concat([u8(0, 0), u64(UNDEFINED), u64(UNDEFINED)])],
    [MESSAGE.groupInfo, u8(0, 0)],
    ...links.map((data): Message => [MESSAGE.link, data]),
  ]);
}

/** A hard link with a name in UTF-8. */
function link(name: string, address: number): Buffer {
  const bytes = Buffer.from(name);
  // Flags: a name length of two bytes, and a field for the character set.
  return Buffer.concat([u8(1, 0x11, 1), u16(bytes.length), bytes, u64(address)]);
}

function addArray(file: Pieces, { shape, data }: HdfArray): number {
  const { type, bytes } = elements(file, data);
  const address = bytes.byteLength === 0 ? UNDEFINED : file.add(bytes);
  return addHeader(file, [
    [MESSAGE.dataspace, Buffer.concat([u8(2, shape.length, 0, shape.length === 0 ? 0 : 1), ...shape.map(u64)])],
    [MESSAGE.datatype, type],
    // Space is allocated late, and filled where a value is set, which none is.
    [MESSAGE.fill, u8(3, 0x0a)],
    [MESSAGE.layout, Buffer.concat([u8(3, 1), u64(address), u64(bytes.byteLength)])],
  ]);
}

/** The type of an array, and its elements. */
function elements(file: Pieces, data: HdfArray['data']): { type: Buffer; bytes: Uint8Array } {
  if (data instanceof Float32Array || data instanceof Float64Array) {
    const [size, exponent, mantissa, bias] = data instanceof Float32Array ? [4, 8, 23, 127] : [8, 11, 52, 1023];
    const type = Buffer.concat([
      // Little-endian, a leading one that is not stored, the place of the sign.
      u8(0x11, 0x20, 8 * size! - 1, 0),
      u32(size!),
      u16(0),
      u16(8 * size!),
      u8(mantissa!, exponent!, 0, mantissa!),
      u32(bias!),
    ]);
    return { type, bytes: bytesOf(data) };
  }
  if (data instanceof BigInt64Array)
    return { type: Buffer.concat([u8(0x10, 0x08, 0, 0), u32(8), u16(0), u16(64)]), bytes: bytesOf(data) };
  // Texts of any length in UTF-8, which lie in a heap.
  const type = Buffer.concat([u8(0x19, 0x01, 0x01, 0), u32(16), u8(0x10, 0, 0, 0), u32(1), u16(0), u16(8)]);
  return { type, bytes: addTexts(file, data as readonly string[]) };
}

const bytesOf = (data: Float32Array | Float64Array | BigInt64Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The most objects of one heap, which counts them by 16 bits. */
const HEAP_OBJECTS = 60_000;

/** Puts texts into heaps, and returns the references to them. */
function addTexts(file: Pieces, texts: readonly string[]): Buffer {
  const references: Buffer[] = [];
  for (let begin = 0; begin < texts.length; begin += HEAP_OBJECTS) {
    const group = texts.slice(begin, begin + HEAP_OBJECTS).map((text) => Buffer.from(text));
    const objects = group.map((bytes, i) =>
      Buffer.concat([u16(i + 1), u16(1), u32(0), u64(bytes.length), bytes, Buffer.alloc(-bytes.length & 7)]),
    );
    const used = objects.reduce((sum, { length }) => sum + length, 16);
    // A collection has 4096 bytes at least; what is free is an object of the number 0.
    const free = Math.max(4096 - used, 16);
    const heap = Buffer.concat([
      Buffer.from('GCOL'),
      u8(1, 0, 0, 0),
      u64(used + free),
      ...objects,
      u16(0),
      u16(0),
      u32(0),
      u64(free),
      Buffer.alloc(free - 16),
    ]);
    const address = file.add(heap);
    for (const [i, bytes] of group.entries()) references.push(u32(bytes.length), u64(address), u32(i + 1));
  }
  return Buffer.concat(references);
}

type Message = readonly [type: number, data: Buffer];

function addHeader(file: Pieces, messages: readonly Message[]): number {
  const body = Buffer.concat(messages.flatMap(([type, data]) => [u8(type), u16(data.length), u8(0), data]));
  // Flags: the size of the messages has four bytes.
  const head = Buffer.concat([Buffer.from('OHDR'), u8(2, 0x02), u32(body.length), body]);
  return file.add(Buffer.concat([head, u32(lookup3(head))]));
}
