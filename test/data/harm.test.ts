// Files that are small and inflate to much: what all parts of them take together is bounded, not each part alone.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';

import { loadDataset, loadImage } from '../../lib/data';
import { OneSpikeError } from '../../lib/errors';
import { readMat } from '../../lib/io/binary/mat';
import { cleanUp, encodePng, expectError, temporaryFolder } from './support/helpers';
import { pngChunk } from './support/png-writer';

afterAll(cleanUp);

const element = (type: number, content: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(8 + Math.ceil(content.length / 8) * 8);
  bytes.writeUInt32LE(type);
  bytes.writeUInt32LE(content.length, 4);
  bytes.set(content, 8);
  return bytes;
};
const integers = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
/** A compressed array of Matlab of so many zeros, stored as numbers of a type. */
function zeros(name: string, count: number, type: number): Buffer {
  const parts = [element(6, integers(9, 0)), element(5, integers(count, 1)), element(1, Buffer.from(name))];
  const packed = deflateSync(element(14, Buffer.concat([...parts, element(type, new Uint8Array(count))])));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(15);
  head.writeUInt32LE(packed.length, 4);
  return Buffer.concat([head, packed]);
}
const header = Buffer.alloc(128, ' ');
header.writeUInt16LE(0x0100, 124);
header.write('IM', 126);

const damaged = (at: number, what: string, received: string): OneSpikeError =>
  new OneSpikeError('ERR_FORMAT', `Expected ${what} at ${at} but received ${received}`);
const most = 2 ** 20;
const [bytes, signedBytes] = [2, 1];

test('a MAT-file of many arrays, each of which inflates to the whole that is allowed', async () => {
  const name = (i: number): string => `x${i}`;
  const file = (count: number, each: number): Buffer =>
    Buffer.concat([header, ...Array.from({ length: count }, (_, i) => zeros(name(i), each, bytes))]);
  await expectError(readMat(file(3, most / 2), most, damaged), 'ERR_FORMAT', /at most \d+ intact bytes of compressed/);
  await expectError(readMat(file(40, most), most, damaged), 'ERR_FORMAT', /at most \d+ intact bytes of compressed/);
  const few = await readMat(file(3, most / 4), most, damaged);
  expect([...few].map(([each, { values }]) => [each, values.length])).toEqual(
    [0, 1, 2].map((i) => [name(i), most / 4]),
  );
});

test('numbers of one byte each that take eight in memory', async () => {
  const large = 2 ** 22 - 8;
  const file = Buffer.concat([header, zeros('a', large, signedBytes), zeros('b', large, signedBytes)]);
  await expectError(readMat(file, 2 ** 24, damaged), 'ERR_FORMAT', /at most 4194304 numbers that are not bytes/);
});

test('what is no array, compressed or not', async () => {
  const other = element(9, Buffer.alloc(8));
  const packed = deflateSync(other);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(15);
  head.writeUInt32LE(packed.length, 4);
  for (const bytes of [other, Buffer.concat([head, packed])])
    await expectError(readMat(Buffer.concat([header, bytes]), most, damaged), 'ERR_FORMAT', /an element of type 9/);
});

test('of the names of other arrays eight are told', async () => {
  const directory = temporaryFolder();
  const others = Array.from({ length: 12 }, (_, i) => zeros(`other${i}`, 8, bytes));
  for (const name of ['train_32x32.mat', 'test_32x32.mat'])
    await writeFile(join(directory, name), Buffer.concat([header, ...others]));
  await expectError(loadDataset('svhn', { directory }), 'ERR_FORMAT', /received other0, .*, other7$/);
});

test('a PNG picture of many empty chunks, and of what inflates to more than its sides say', async () => {
  const path = join(temporaryFolder(), 'picture.png');
  const load = (): Promise<Uint8Array> => loadImage(path, [3, 8, 8]);
  const picture = encodePng({ width: 8, height: 8, depth: 8, colour: 2, samples: new Uint8Array(192) });
  const begin = 8 + 25;
  const empty = pngChunk('IDAT', new Uint8Array(0));
  const chunks = (count: number): Buffer => Buffer.alloc(empty.length * count, empty);
  await writeFile(path, Buffer.concat([picture.subarray(0, begin), chunks(1000), picture.subarray(begin)]));
  expect(await load()).toEqual(new Uint8Array(192));
  await writeFile(path, Buffer.concat([picture.subarray(0, begin), chunks(2 ** 17), picture.subarray(begin)]));
  await expectError(load(), 'ERR_FORMAT', /at most 131072 PNG chunks/);
  const bomb = pngChunk('IDAT', deflateSync(new Uint8Array(2 ** 22)));
  await writeFile(path, Buffer.concat([picture.subarray(0, begin), bomb, pngChunk('IEND', new Uint8Array(0))]));
  await expectError(load(), 'ERR_FORMAT', /200 intact bytes of pixels/);
});

test('gzip files of several parts that inflate to more than the set has', async () => {
  const directory = temporaryFolder();
  const part = gzipSync(new Uint8Array(2 ** 24));
  const names = [
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
  ];
  for (const name of names) await writeFile(join(directory, `${name}.gz`), Buffer.concat(new Array(8).fill(part)));
  await expectError(loadDataset('mnist', { directory }), 'ERR_FORMAT', /at most \d+ intact bytes inflated .* more/);
});
