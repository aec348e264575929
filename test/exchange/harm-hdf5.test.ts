// HDF5 files that are small and mean to be large, or without end: errors with a code before any of it is read.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importModel } from '../../lib/exchange';
import { fletcher32, lookup3 } from '../../lib/io/hdf5/checksum';
import { MESSAGE, UNDEFINED } from '../../lib/io/hdf5/format';
import { readHdf5 } from '../../lib/io/hdf5/read';
import { floatValue, isGroup, type HdfArray } from '../../lib/io/hdf5/values';
import { encodeHdf5 } from '../../lib/io/hdf5/write';
import { temporaryFolder } from '../helpers/command-line';
import { fileOf } from './helpers';

const path = join(temporaryFolder(), 'harm.nir');
const encoded = (arrays: Record<string, HdfArray>): Buffer =>
  Buffer.concat(encodeHdf5(new Map(Object.entries(arrays))));

/** The file with other messages in the headers of its objects, whose checksums are right again. */
function withMessages(file: Buffer, change: (type: number, data: Buffer) => void): Buffer {
  const bytes = Buffer.from(file);
  for (let at = bytes.indexOf('OHDR'); at >= 0; at = bytes.indexOf('OHDR', at + 4)) {
    const end = at + 10 + bytes.readUInt32LE(at + 6);
    for (let message = at + 10; message < end; message += 4 + bytes.readUInt16LE(message + 1))
      change(bytes[message]!, bytes.subarray(message + 4, message + 4 + bytes.readUInt16LE(message + 1)));
    bytes.writeUInt32LE(lookup3(bytes.subarray(at, end)), end);
  }
  return bytes;
}

/** An array of so many elements of a type, none of which was written. */
const unwritten = (file: Buffer, count: bigint, type: readonly number[]): Buffer =>
  withMessages(file, (message, data) => {
    if (message === MESSAGE.datatype) data.set(type);
    if (message === MESSAGE.dataspace) data.writeBigUInt64LE(count, 4);
    if (message === MESSAGE.layout) data.writeBigUInt64LE(UNDEFINED, 2);
  });

/** A text of a megabyte that all elements name. */
function named(times: number): Buffer {
  const data = ['x'.repeat(2 ** 20), ...new Array<string>(times - 1).fill('y')];
  const bytes = encoded({ a: { shape: [times], data } });
  // The first reference: the length of the text, and its heap, which follows the superblock.
  const reference = Buffer.alloc(12);
  reference.writeUInt32LE(2 ** 20);
  reference.writeBigUInt64LE(48n, 4);
  const at = bytes.indexOf(reference);
  for (let i = 1; i < times; i++) bytes.copy(bytes, at + 16 * i, at, at + 16);
  return bytes;
}

/** A group of the old kind whose tree has 20 levels of nodes, each of which lists the next one 100 times. */
function branching(): Buffer {
  const [levels, children, header, heap, first] = [20, 100, 96, 136, 168];
  const nodeBytes = 24 + 16 * children;
  const bytes = Buffer.alloc(first + levels * nodeBytes + 8);
  const address = (value: number, at: number): unknown => bytes.writeBigUInt64LE(BigInt(value), at);
  bytes.write('\x89HDF\r\n\x1a\n', 'latin1');
  bytes.set([8, 8], 13);
  // Neither a list of free space nor a driver.
  bytes.fill(255, 32, 40).fill(255, 48, 56);
  address(header, 64);
  // The header of the group: one message with the addresses of its tree and of the heap of its names.
  bytes.set([1, 0, 1, 0, 1, 0, 0, 0, 24], header);
  bytes.set([MESSAGE.symbolTable, 0, 16], header + 16);
  address(first, header + 24);
  address(heap, header + 32);
  bytes.write('HEAP', heap);
  address(8, heap + 8);
  // Nothing of it is free.
  address(1, heap + 16);
  // Its only name is empty: bytes of the superblock that are zero.
  address(24, heap + 24);
  for (let i = 0; i < levels; i++) {
    const at = first + i * nodeBytes;
    bytes.write('TREE', at);
    bytes.set([0, levels - 1 - i, children, 0], at + 4);
    for (let child = 0; child < children; child++) address(at + nodeBytes, at + 32 + 16 * child);
  }
  bytes.write('SNOD\x01', bytes.length - 8);
  return bytes;
}

/** A file that says that it has a byte more. */
function cut(file: Buffer): Buffer {
  const bytes = Buffer.from(file);
  bytes.writeBigUInt64LE(BigInt(file.length + 1), 28);
  bytes.writeUInt32LE(lookup3(bytes.subarray(0, 44)), 44);
  return bytes;
}

const small = encoded({ a: floatValue(Float32Array.of(1, 2, 3, 4)) });
const large = encoded({ a: floatValue(new Float32Array(2 ** 18)) });
const text = (size: number): number[] => [0x13, 0, 0, 0, size, 0, 0, 0];
const byte = [0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0];

test.each<[string, Buffer, string]>([
  ['2^52 texts of no bytes', unwritten(small, 2n ** 52n, text(0)), 'texts of at least one byte'],
  ['a hundred million texts', unwritten(large, 10n ** 8n, text(1)), 'bytes in memory'],
  ['a hundred million bytes', unwritten(large, 10n ** 8n, byte), 'bytes in memory'],
  ['2^52 bytes', unwritten(small, 2n ** 52n, byte), 'arrays of at most'],
  ['a text of a megabyte a thousand times', named(1000), 'texts of at most'],
  ['an end behind the last byte', cut(small), 'which may be cut off'],
  ['100^20 ways through a tree', branching(), 'nodes of trees that differ'],
])('%s', async (_, bytes, message) => {
  writeFileSync(path, bytes);
  expect(bytes.length).toBeLessThan(2 ** 21);
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
});

/** A file of h5py whose bytes behind a text are others. */
function patched(name: string, text: string | readonly number[], change: (bytes: Buffer, at: number) => void): Buffer {
  const bytes = Buffer.from(readFileSync(fileOf(name)));
  const at = bytes.indexOf(typeof text === 'string' ? Buffer.from(text, 'latin1') : Uint8Array.from(text));
  expect(at).not.toBe(-1);
  change(bytes, at);
  return bytes;
}
const u64 = (bytes: Buffer, value: number, at: number): unknown => bytes.writeBigUInt64LE(BigInt(value), at);
/** The type of texts of any length, as far as that of their characters. */
const texts = [0x19, 1, 1, 0, 16, 0, 0, 0];
/** The header of a group: one block with all of its messages. */
const header = [1, 0, 1, 0, 1, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0];
/** The message of the shape of an array of one number, which it is limited to. */
const shapeOfOne = [1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
/** The message of a fill value, 7. */
const seven = [2, 2, 2, 1, 4, 0, 0, 0, 7, 0, 0, 0];
/** The node of the chunks of an array. */
const chunks = 'TREE\x01';

// The HDF5 library refuses each of them.
test.each<[string, Buffer, string]>([
  [
    'names in a heap of another version',
    patched('plain.nir', 'HEAP', (bytes, at) => (bytes[at + 4] = 1)),
    'of version 1',
  ],
  [
    'a free block behind its heap',
    patched('plain.nir', 'HEAP', (bytes, at) => u64(bytes, Number(bytes.readBigUInt64LE(at + 8)), at + 16)),
    'free blocks within their heap',
  ],
  [
    'a free block larger than its heap',
    patched('plain.nir', 'HEAP', (bytes, at) => {
      u64(bytes, 0, at + 16);
      const heap = Number(bytes.readBigUInt64LE(at + 24));
      u64(bytes, 1, heap);
      u64(bytes, 4096, heap + 8);
    }),
    'a free block within its heap',
  ],
  [
    'free blocks in a circle',
    patched('plain.nir', 'HEAP', (bytes, at) => {
      u64(bytes, 0, at + 16);
      bytes.fill(0, Number(bytes.readBigUInt64LE(at + 24)), Number(bytes.readBigUInt64LE(at + 24)) + 16);
    }),
    'free blocks within their heap',
  ],
  ['a link without a name', patched('plain.nir', 'SNOD', (bytes, at) => u64(bytes, 0, at + 8)), 'a link with a name'],
  ['a name that is no UTF-8', patched('plain.nir', 'linear_1', (bytes, at) => (bytes[at] = 0xff)), 'in UTF-8'],
  ['a text that is no UTF-8', patched('plain.nir', 'NIRGraph', (bytes, at) => (bytes[at] = 0xff)), 'in UTF-8'],
  ['a type of a version to come', patched('plain.nir', texts, (bytes, at) => (bytes[at] = 0xe9)), 'of version 14'],
  ['characters of such a type', patched('plain.nir', texts, (bytes, at) => (bytes[at + 8] = 0xe0)), 'of version 14'],
  ['characters of two bytes', patched('plain.nir', texts, (bytes, at) => (bytes[at + 12] = 2)), 'are no bytes'],
  [
    'a part of a text',
    // A reference to six bytes in the heap of the edges.
    patched('plain.nir', [6, 0, 0, 0, 16, 8], (bytes, at) => bytes.writeUInt32LE(5, at)),
    'in the heap',
  ],
  [
    'a key of a group behind its heap',
    patched('plain.nir', 'TREE\0\0', (bytes, at) => u64(bytes, 2 ** 20, at + 24)),
    'within the heap of its group',
  ],
  [
    'names that are not in their order',
    patched('plain.nir', 'v_leak', (bytes, at) => (bytes[at] = 0x61)),
    'names in their order',
  ],
  ['a message less than an object has', patched('plain.nir', header, (bytes, at) => (bytes[at + 2] = 5)), '5 messages'],
  [
    'a message of seven bytes',
    patched('plain.nir', header, (bytes, at) => (bytes[at + 18] = 7)),
    'a multiple of eight bytes',
  ],
  [
    'a message that objects share and must not',
    patched('plain.nir', header, (bytes, at) => (bytes[at + 20] = 6)),
    'the flags of a message',
  ],
  [
    'a message that was unknown and is not marked so',
    patched('plain.nir', header, (bytes, at) => (bytes[at + 20] = 0x20)),
    'the flags of a message',
  ],
  [
    'a list of free space',
    patched('plain.nir', '\x89HDF', (bytes, at) => u64(bytes, 96, at + 32)),
    'a list of free space',
  ],
  ['flags to come', patched('plain.nir', '\x89HDF', (bytes, at) => (bytes[at + 20] = 8)), 'the flags 0x8'],
  ['a driver', patched('plain.nir', '\x89HDF', (bytes, at) => u64(bytes, 96, at + 48)), 'a driver'],
  [
    'a heap that goes on behind what is free',
    // Numbers 0 and 0, and a size of fourteen blocks of 256 bytes and 64 bytes.
    patched('dense.nir', [0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x0e], (bytes, at) => (bytes[at + 9] = 0)),
    'free space up to the end',
  ],
  [
    'a node of names of a version to come',
    patched('plain.nir', 'SNOD', (bytes, at) => (bytes[at + 4] = 2)),
    'of version 2',
  ],
  [
    'a side above its limit',
    patched('plain.nir', shapeOfOne, (bytes, at) => u64(bytes, 0, at + 16)),
    'a side within its limit',
  ],
  ['a fill value of a version to come', patched('arrays.h5', seven, (bytes, at) => (bytes[at] = 4)), 'of version 4'],
  ['a fill value of another size', patched('arrays.h5', seven, (bytes, at) => (bytes[at + 4] = 2)), 'of 4 bytes'],
  [
    'a level of compression that there is not',
    patched('dense.nir', 'deflate\0', (bytes, at) => (bytes[at + 8] = 10)),
    'up to 9',
  ],
  [
    'a chunk that begins within another',
    patched('convolutional.nir', chunks, (bytes, at) => u64(bytes, 7, at + 40)),
    'of a chunk',
  ],
  // Behind the heads of the node and the keys of both chunks, of 24 bytes and an address each.
  [
    'chunks that end within another',
    patched('arrays.h5', chunks, (bytes, at) => u64(bytes, 7, at + 24 + 2 * 32 + 8)),
    'of a chunk',
  ],
  [
    'chunks that end before the last one',
    patched('arrays.h5', chunks, (bytes, at) => u64(bytes, 0, at + 24 + 2 * 32 + 8)),
    'chunks in their order',
  ],
  [
    'a chunk from the middle of an element',
    patched('arrays.h5', chunks, (bytes, at) => u64(bytes, 4, at + 24 + 16)),
    'of whole elements',
  ],
  [
    'a chunk of another checksum',
    // 2 / 3, in the first of them.
    patched('arrays.h5', [0xab, 0xaa, 0x2a, 0x3f], (bytes, at) => (bytes[at] = 0xaa)),
    'the checksum',
  ],
])('%s, in a file that h5py wrote', async (_, bytes, message) => {
  writeFileSync(path, bytes);
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
});

test('chunks with checksums and elements that were never written are read as h5py reads them', async () => {
  const read = await readHdf5(fileOf('arrays.h5'));
  const values = [...read].map(([name, value]) => [name, [...(value as HdfArray).data]]);
  expect(Object.fromEntries(values)).toEqual({
    numbers: Array.from({ length: 10 }, (_, i) => Math.fround(i / 3)),
    unwritten: [7n, 7n, 7n],
    partly: [-2.5, -2.5, -2.5, 1, 2, 3],
  });
  const odd = Uint8Array.from({ length: 768 }, (_, i) => (i < 765 ? i % 255 : 255));
  expect([odd, new Uint8Array(8), new Uint8Array(10).fill(255)].map(fletcher32)).toEqual([3227500607, 0, 2 ** 32 - 1]);
});

test('a fill value in the message of old files alone', async () => {
  // The type of the newer message, before its sizes and flags.
  writeFileSync(
    path,
    patched('arrays.h5', seven, (bytes, at) => (bytes[at - 8] = 0)),
  );
  expect((await readHdf5(path)).get('unwritten')).toMatchObject({ data: BigInt64Array.of(7n, 7n, 7n) });
});

test('texts and arrays that are what they say are read', async () => {
  const texts = ['', 'a', 'ä'.repeat(5000), 'a'];
  writeFileSync(path, encoded({ a: floatValue(Float32Array.of(1, 2)), b: { shape: [2, 2], data: texts } }));
  const read = await readHdf5(path);
  const values = [...read].map(([name, value]) => [name, isGroup(value) ? value : [...value.data]]);
  expect(values).toEqual([
    ['a', [1, 2]],
    ['b', texts],
  ]);
});
