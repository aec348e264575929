// SVHN: Matlab's files of level 5 as SciPy writes them, compressed and not, and what is none.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { datasetInfo, loadDataset } from '../../../lib/data';
import { OneSpikeError } from '../../../lib/errors';
import { readMat } from '../../../lib/io/binary/mat';
import { cleanUp, expectError, temporaryFolder } from '../support/helpers';
import { expectations, foundIn, published } from '../support/published';

afterAll(cleanUp);

const names = ['train_32x32.mat', 'test_32x32.mat', 'extra_32x32.mat'];
async function svhnFolder(inner = '.'): Promise<string> {
  const folder = temporaryFolder();
  await mkdir(join(folder, inner), { recursive: true });
  for (const name of names) await copyFile(published(name), join(folder, inner, name));
  return folder;
}

test('what SciPy reads: labels of bytes, doubles and integers, compressed and not', async () => {
  const { train, extra, test: tested } = expectations.svhn!;
  for (const directory of [await svhnFolder(), await svhnFolder('SVHN')]) {
    const loaded = await loadDataset('svhn', { directory });
    expect({ train: foundIn(loaded.train), test: foundIn(loaded.test) }).toEqual({ train, test: tested });
    expect(await datasetInfo('svhn', { directory })).toMatchObject({ present: true, files: { length: 2 } });
  }
  const directory = await svhnFolder();
  const more = await loadDataset('svhn', { directory, split: 'train+extra' });
  expect([...more.train.labels]).toEqual([...train!.labels, ...extra!.labels]);
  expect(
    foundIn({ ...more.train, pixels: more.train.pixels.slice(5 * 3072), labels: more.train.labels.slice(5), count: 2 }),
  ).toEqual(extra);
  const few = await loadDataset('svhn', { directory, split: 'train+extra', trainCount: 6, testCount: 1 });
  expect([few.train.count, few.test.count]).toEqual([6, 1]);
});

describe('refused', () => {
  const refused = async (
    change: (bytes: Buffer) => Buffer,
    message: RegExp,
    name = 'extra_32x32.mat',
  ): Promise<void> => {
    const directory = await svhnFolder();
    await writeFile(join(directory, 'train_32x32.mat'), change(await readFile(published(name))));
    await expectError(loadDataset('svhn', { directory }), 'ERR_FORMAT', message);
  };
  const put =
    (at: number, value: number) =>
    (bytes: Buffer): Buffer => {
      bytes.writeUInt32LE(value, at);
      return bytes;
    };

  test('other files, levels and versions', async () => {
    await refused(() => Buffer.from('MATLAB 7.3 MAT-file'.padEnd(600, ' ')), /level 5.* one of level 7\.3 .*-v7/);
    await refused(() => Buffer.from('hello'), /MAT-file of level 5/);
    await refused(put(124, 0x4d490200), /version 0x0100 .* 0x200/);
    await refused((bytes) => bytes.subarray(0, 3000), /bytes of an element at byte .*the end/);
    await refused((bytes) => bytes.subarray(0, 900), /1377 bytes of an element at byte 128/, 'train_32x32.mat');
    await refused(
      (bytes) => Buffer.concat([bytes.subarray(0, 400), bytes.subarray(404)]),
      /an array|compressed/,
      'train_32x32.mat',
    );
  });

  test('arrays of other shapes, kinds and sizes', async () => {
    // The sizes of X begin at byte 160: 32, 32, 3, 2.
    await refused(put(160, 31), /numbers for 31 x 32 x 3 x 2 of 'X' .* 6144/);
    await refused(put(172, 0x7fffffff), /numbers for 32 x 32 x 3 x 2147483647/);
    await refused(put(156, 400), /at most 8 dimensions/);
    // The class of X becomes that of a cell array.
    await refused(put(144, 1), /bytes X of 32 x 32 x 3 x N.* received y/);
    const label = (await readFile(published('extra_32x32.mat'))).length - 8;
    await refused(put(label, 11), /label from 0 to 10 of image 0 .* received 11/);
  });

  test('a compressed array that inflates without end', async () => {
    const { deflateSync } = await import('node:zlib');
    const packed = deflateSync(Buffer.alloc(50_000_000));
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15, 0);
    tag.writeUInt32LE(packed.length, 4);
    const header = (await readFile(published('extra_32x32.mat'))).subarray(0, 128);
    const damaged = (at: number, what: string): OneSpikeError => new OneSpikeError('ERR_FORMAT', `${what} at ${at}`);
    await expectError(
      readMat(Buffer.concat([header, tag, packed]), 10_000, damaged),
      'ERR_FORMAT',
      /at most 10000 intact bytes/,
    );
  });

  test('nothing at all', async () => {
    await expectError(
      loadDataset('svhn', { directory: temporaryFolder() }),
      'ERR_IO',
      /train_32x32\.mat .*data fetch svhn/,
    );
  });
});

test('numbers whose highest byte comes first', async () => {
  const element = (type: number, content: Buffer): Buffer => {
    const tag = Buffer.alloc(8);
    tag.writeUInt32BE(type, 0);
    tag.writeUInt32BE(content.length, 4);
    return Buffer.concat([tag, content, Buffer.alloc((8 - (content.length % 8)) % 8)]);
  };
  const words = (...values: number[]): Buffer =>
    Buffer.concat(values.map((value) => Buffer.from([0, 0, value >> 8, value & 255])));
  const matrix = Buffer.concat([
    element(6, words(13, 0)),
    element(5, words(1, 2)),
    element(1, Buffer.from('ab')),
    element(6, words(7, 300)),
  ]);
  const header = Buffer.alloc(128);
  header.write('\x01\x00MI', 124, 'latin1');
  const arrays = await readMat(
    Buffer.concat([header, element(14, matrix)]),
    1000,
    (at, what) => new OneSpikeError('ERR_FORMAT', `${what} ${at}`),
  );
  expect(arrays.get('ab')).toMatchObject({ shape: [1, 2], values: Float64Array.of(7, 300) });
});
