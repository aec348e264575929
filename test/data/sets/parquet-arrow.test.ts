// The Arrow schemas in Parquet files: those of pyarrow are read, and what pyarrow refuses of them is an error.
import { readFileSync } from 'node:fs';

import { arrowNotes } from '../../../lib/data/formats/parquet/arrow';
import { openParquet } from '../../../lib/data/formats/parquet/file';
import type { Hyparquet } from '../../../lib/data/formats/parquet/hyparquet';
import { published } from '../support/published';

/** The schema in the description of a file, behind its key, a type and a size of two bytes. */
function schemaOf(name: string): Buffer {
  const text = readFileSync(published(name), 'latin1');
  const [, base64] = /ARROW:schema\x18[^][^]([\w+/]+=*)/.exec(text)!;
  return Buffer.from(base64!, 'base64');
}
const good = schemaOf('train-00000-of-00002.parquet');
const notes = (bytes: Buffer): Map<string, string> => arrowNotes(bytes.toString('base64'));

test('the notes of a schema', () => {
  expect([...notes(good).keys()]).toEqual(['huggingface']);
  expect(JSON.parse(notes(good).get('huggingface')!)).toMatchObject({
    info: { features: { image: { _type: 'Image' } } },
  });
  expect(notes(schemaOf('grey.parquet'))).toEqual(new Map());
});

/** A schema with other bytes at a place, or behind some bytes. */
function changed(where: number | readonly number[], ...bytes: number[]): Buffer {
  const copy = Buffer.from(good);
  const at = typeof where === 'number' ? where : copy.indexOf(Uint8Array.from(where)) + where.length;
  expect(at).toBeGreaterThan(typeof where === 'number' ? 0 : where.length);
  copy.set(bytes, at);
  return copy;
}
/** The field of the labels, up to its type: it may be null. */
const labels = [0x70, 255, 255, 255, 0, 0, 1];

test.each<[string, Buffer, RegExp]>([
  ['nothing', Buffer.alloc(0), /out of range|outside/],
  ['a schema that is cut off', good.subarray(0, -8), /a message of 440 bytes/],
  ['no message', changed(4, 0, 0, 0, 0), /a message of 0 bytes/],
  ['a record', changed(29, 3), /a message 3 of version 4/],
  ['a version to come', changed(30, 5), /a message 1 of version 5/],
  ['a number at an odd place', changed(22, 9), /a number at byte 25/],
  ['a table outside of the message', changed(32, 0, 0, 0, 1), /outside|out of range/],
  ['a list of more entries than bytes', changed([2, 0, 0], 1, 0x40), /a list of 16777218 entries/],
  ['a text without an end', changed([...Buffer.from('huggingface')], 1), /a text without an end/],
  ['a note without a value', changed([0, 8, 0, 12, 0, 4, 0], 0), /a note without a key or a value/],
  ['integers of 24 bits', changed([7, 0, 8, 0, 0, 0, 0, 0, 0, 1], 24), /integers of 24 bits/],
  ['a field without a type', changed(labels, 0), /a field of type 0/],
  ['a field of a type to come', changed(labels, 27), /a field of type 27/],
  ['a list of nothing', changed(labels, 12), /a field of 0 types/],
  ['a decimal without digits', changed([0xd8, 255, 255, 255, 0, 0, 1], 7), /a decimal of 0 digits/],
])('%s', (_what, bytes, message) => {
  expect(() => notes(bytes)).toThrow(message);
});

test('a character that base64 does not have', () => {
  expect(() => arrowNotes(good.toString('base64').replace('A', '-'))).toThrow(/no base64/);
});

test('2^60 ways through fields that share their children', () => {
  const levels = 60;
  const bytes = Buffer.alloc(68 + 24 * levels);
  /** The sizes of a table and the places of its fields, which the table at `at` names. */
  const places = (at: number, ...fields: number[]): void =>
    [4 + 2 * fields.length, 12, ...fields].forEach((place, i) => void bytes.writeUInt16LE(place, at + 2 * i));
  const integers = (at: number, ...values: number[]): void =>
    values.forEach((value, i) => void bytes.writeInt32LE(value, at + 4 * i));
  places(4, 0, 8, 4);
  places(14, 0, 4);
  places(22, 0, 0, 0, 0, 0, 4);
  // The message, and in it the schema, whose list has one field.
  integers(0, 40);
  integers(40, 40 - 4, 8, 1);
  integers(52, 52 - 14, 4, 1, 4);
  for (let i = 0; i < levels; i++) {
    const at = 68 + 24 * i;
    // Twice the next one: twelve and eight bytes further than the end of this one.
    integers(at, at - 22, 4, i + 1 < levels ? 2 : 0, 12, 8);
  }
  const head = Buffer.alloc(8, 255);
  head.writeInt32LE(bytes.length, 4);
  expect(() => notes(Buffer.concat([head, bytes]))).toThrow(/many fields share/);
});

test('notes in the Arrow schema come before those beside it', async () => {
  const key = 'huggingface';
  const text = notes(good).get(key)!;
  const open = (arrow: Buffer, value: string): ReturnType<typeof openParquet> => {
    const schema = [{ name: 'schema', num_children: 2 }, { name: 'image' }, { name: 'label' }];
    const pairs = [
      { key: 'ARROW:schema', value: arrow.toString('base64') },
      { key, value },
    ];
    const metadata = { schema, num_rows: 0n, row_groups: [], key_value_metadata: pairs };
    const reader = { parquetMetadataAsync: async () => metadata } as unknown as Hyparquet;
    return openParquet(published('train-00000-of-00002.parquet'), reader);
  };
  const classes = ['cat', 'dog', 'owl'];
  await expect(open(good, text)).resolves.toMatchObject({ classes });
  await expect(open(good, text.replace('cat', 'car'))).resolves.toMatchObject({ classes });
  // Of a writer that notes nothing in the Arrow schema.
  await expect(open(schemaOf('grey.parquet'), text)).resolves.toMatchObject({ classes });
  await expect(open(changed(30, 5), text)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining('a damaged Arrow schema'),
  });
});
