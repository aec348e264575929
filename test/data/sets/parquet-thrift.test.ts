// The descriptions of Parquet files: those of pyarrow are read, and what pyarrow and DuckDB refuse of them is an error.
import { readFileSync } from 'node:fs';

import { compressors, type Hyparquet } from '../../../lib/data/formats/parquet/hyparquet';
import { checkStructure, FILE_METADATA, PAGE_HEADER } from '../../../lib/data/formats/parquet/thrift';
import { published } from '../support/published';

const files = [
  'train-00000-of-00002.parquet',
  'train-00001-of-00002.parquet',
  'test-00000-of-00001.parquet',
  'grey.parquet',
];

/** The description at the end of a file. */
function description(name: string): Buffer {
  const bytes = readFileSync(published(name));
  const end = bytes.length - 8;
  return Buffer.from(bytes.subarray(end - bytes.readUInt32LE(end), end));
}

test.each(files)('%s is what the format says', (name) => {
  const bytes = description(name);
  expect(checkStructure(bytes, FILE_METADATA)).toBe(bytes.length);
  expect(checkStructure(readFileSync(published(name)).subarray(4), PAGE_HEADER)).toBeGreaterThan(10);
});

/** Types of Thrift's compact protocol. */
const [I16, I32, LIST, STRUCT] = [4, 5, 9, 12];
const field = (delta: number, type: number): number => 16 * delta + type;

/** The header of a page of two bytes, whose field 5 or 8 holds these integers. */
const page = (type: 5 | 8, ...values: number[]): number[] => [
  ...[field(1, I32), 0, field(1, I32), 2, field(1, I32), 2],
  ...[
    field(type - 3, STRUCT),
    ...values.flatMap((value) => [field(1, I32), value < 0 ? -2 * value - 1 : 2 * value]),
    0,
    0,
  ],
];

test.each<[string, number[], RegExp]>([
  ['an integer of 16 bits in the place of 32', [field(1, I16), 0], /type 4 in field 1/],
  ['no size', [field(1, I32), 0, field(1, I32), 2, 0], /without its field 3/],
  ['a header of data without the encoding of its levels', page(5, 1, 0), /without its field 3/],
  ['levels that are dictionary encoded', page(5, 1, 0, 8, 3), /the value 8 in field 3/],
  ['rows of less than none', page(8, 1, 0, -1, 0, 0, 0), /the value -1 in field 3/],
  ['no end', [field(1, I32), 0, field(1, I32), 2], /cut off/],
  ['an integer of six bytes', [field(1, I32), 128, 128, 128, 128, 128, 1], /more than 5 bytes/],
  ['a million structures in each other', new Array(2 ** 20).fill(field(9, STRUCT)), /more than 16 structures/],
  ['a million lists in each other', [field(9, LIST), ...new Array(2 ** 20).fill(field(1, LIST))], /more than 16/],
  ['a list of more entries than bytes', [field(9, LIST), 0xf0 + I32, 255, 255, 255, 1], /a list of 4194303 entries/],
])('a page with %s', (_what, bytes, message) => {
  expect(() => checkStructure(Uint8Array.from(bytes), PAGE_HEADER)).toThrow(message);
});

test('pages whose levels have the encodings of the format', () => {
  for (const bytes of [page(5, 1, 0, 3, 4), page(8, 1, 0, 1, 0, 0, 0)])
    expect(checkStructure(Uint8Array.from(bytes), PAGE_HEADER)).toBe(bytes.length);
});

test('a page of Snappy whose size does not end', () => {
  const { SNAPPY: snappy } = compressors({ snappyUncompress: () => undefined } as unknown as Hyparquet);
  expect(() => snappy!(Uint8Array.of(132, 128, 128, 128, 128), 4)).toThrow(/more than 5 bytes/);
  expect(() => snappy!(Uint8Array.of(132), 4)).toThrow(/cut off/);
  expect(snappy!(Uint8Array.of(132, 128, 128, 128, 0), 4)).toHaveLength(4);
});

test('a repetition that the format does not know', () => {
  const bytes = description(files[0]!);
  // The second column is optional: the enumerator 1, doubled, behind the head of field 3.
  const at = bytes.indexOf(Buffer.from([0x35, 2, 0x18, 5]));
  expect(at).toBeGreaterThan(0);
  bytes[at + 1] = 3;
  expect(() => checkStructure(bytes, FILE_METADATA)).toThrow(/the value -2 in field 3/);
});

test('any other byte in a description gives its size or an error, soon', () => {
  const good = description(files[3]!);
  let refused = 0;
  for (let at = 0; at < good.length; at++)
    for (const byte of [0, 0x14, 0x55, 0xff]) {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      try {
        expect(checkStructure(bytes, FILE_METADATA)).toBeLessThanOrEqual(bytes.length);
      } catch (error) {
        expect((error as Error).message).toMatch(/description|value/);
        refused++;
      }
    }
  expect(refused).toBeGreaterThan(100);
});
