// Files of CIFAR for Python, SVHN and EMNIST, damaged in 180 ways, and made to do harm: a coded error or images, no
// crash, no hang, no more memory than the files back, and nothing that a pickle names is called.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { loadDataset, SeededRandom, type DatasetName } from '../../../lib/data';
import { cleanUp, temporaryFolder } from '../support/helpers';
import { published, unpacked } from '../support/published';

afterAll(cleanUp);

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer;
const changed = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};
/** One bit of the first bytes, turned. */
const flipped = (bytes: Buffer, random: SeededRandom, within: number): Buffer =>
  changed(bytes, (copy) => {
    copy[random.below(within)]! ^= 1 << random.below(8);
  });
const mutations: Mutation[] = [
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => flipped(bytes, random, bytes.length),
  // Where sizes and names are: at the beginning.
  (bytes, random) => flipped(bytes, random, 400),
  // Numbers of the largest size.
  (bytes, random) =>
    changed(bytes, (copy) => {
      const at = random.below(400);
      copy.fill(0xff, at, at + 1 + random.below(8));
    }),
  (bytes, random) => {
    const at = random.below(bytes.length - 8);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(7))]);
  },
  (bytes, random) => Buffer.from(bytes.map((byte) => (random.below(60) === 0 ? random.below(256) : byte))),
];

interface Case {
  set: DatasetName;
  folder: string;
  file: string;
}

function cases(): Case[] {
  const svhn = temporaryFolder();
  for (const name of ['train_32x32.mat', 'test_32x32.mat'])
    writeFileSync(join(svhn, name), readFileSync(published(name)));
  const plain = temporaryFolder();
  writeFileSync(join(plain, 'train_32x32.mat'), readFileSync(published('extra_32x32.mat')));
  writeFileSync(join(plain, 'test_32x32.mat'), readFileSync(published('test_32x32.mat')));
  const emnist = temporaryFolder();
  writeFileSync(join(emnist, 'gzip.zip'), readFileSync(published('gzip.zip')));
  return [
    { set: 'cifar10', folder: unpacked('cifar-10-python.tar.gz'), file: 'cifar-10-batches-py/data_batch_2' },
    { set: 'cifar100', folder: unpacked('cifar-100-python.tar.gz'), file: 'cifar-100-python/train' },
    { set: 'svhn', folder: svhn, file: 'train_32x32.mat' },
    { set: 'svhn', folder: plain, file: 'train_32x32.mat' },
    { set: 'emnist', folder: emnist, file: 'gzip.zip' },
  ];
}

const perCase = 36;

test.each(cases().map((each): [string, Case] => [each.file, each]))(
  '%s, damaged in 36 ways',
  async (_name, { set, folder, file }) => {
    const strange: string[] = [];
    const before = process.memoryUsage().arrayBuffers;
    const path = join(folder, file);
    const good = readFileSync(path);
    await loadDataset(set, { directory: folder }); // undamaged it loads, or the rest would prove nothing
    let refused = 0;
    for (let i = 0; i < perCase; i++) {
      writeFileSync(path, mutations[i % mutations.length]!(good, new SeededRandom(i, file.length)));
      await loadDataset(set, { directory: folder }).catch((error: Error & { code?: string }) => {
        refused++;
        if (!['ERR_FORMAT', 'ERR_IO', 'ERR_ARG'].includes(error.code!)) strange.push(`${i}: ${error.stack}`);
        if (error.message.length > 1000) strange.push(`${i}: ${error.message.length} characters`);
      });
    }
    expect(strange).toEqual([]);
    expect(refused).toBeGreaterThan(perCase / 4);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  },
);

describe('pickles that were made to do harm', () => {
  const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
  const u32 = (value: number): Buffer => changed(Buffer.alloc(4), (copy) => copy.writeUInt32LE(value));
  const array = (shape: string, bytes: number): string =>
    `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01${shape}cnumpy\ndtype\n(U\x02u1K\x00K\x01tR` +
    `(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U${String.fromCharCode(bytes)}${'x'.repeat(bytes)}tb`;

  test.each<[string, Buffer]>([
    ['bytes of 2^63', latin('\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.')],
    ['a bytearray of 2^60', latin('\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x10.')],
    ['a text of 4 GiB', Buffer.concat([latin('\x80\x02T'), u32(0xffffffff), latin('.')])],
    ['an array larger than its bytes', latin(`\x80\x02}U\x04data${array('(J\xff\xff\xff\x7fM\x00\x0ct', 4)}s.`)],
    ['an array of a negative size', latin(`\x80\x02}U\x04data${array('(J\xff\xff\xff\xffK\x04t', 4)}s.`)],
    [
      'an array of sizes beyond numbers',
      latin(`\x80\x02}U\x04data${array(`(${'J\xff\xff\xff\x7f'.repeat(8)}t`, 4)}s.`),
    ],
    ['an array of a list as its type', latin('\x80\x02cnumpy\ndtype\n]\x85R.')],
    [
      'lists in lists in the place of a name',
      Buffer.concat([latin('\x80\x04'), Buffer.alloc(20_000, ']'), Buffer.alloc(19_999, 'a'), latin('\x93.')]),
    ],
    ['a dictionary that holds itself as data', latin('\x80\x02}q\x00U\x04datah\x00s.')],
    ['a class that is built', latin('\x80\x02csubprocess\nPopen\n(U\x10touch executed-x.tR.')],
    ['a reduction by itself', latin('\x80\x02cnumpy\nndarray\n)R.')],
    ['an object of another program', latin('\x80\x02ccopyreg\n_reconstructor\n(t.')],
    [
      'bytes of characters that are none',
      latin(`\x80\x02}U\x04datac_codecs\nencode\nX\x02\x00\x00\x00\xc4\xb4U\x06latin1\x86Rs.`),
    ],
    ['another file', latin('\x80\x02U\x01xQ.')],
  ])('%s', async (_kind, pickle) => {
    const folder = unpacked('cifar-100-python.tar.gz');
    writeFileSync(join(folder, 'cifar-100-python', 'train'), pickle);
    await expect(loadDataset('cifar100', { directory: folder })).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    expect(existsSync('executed-x')).toBe(false);
  });
});

test.each([
  ['an array of a version to come', '(K\x01K\x03M', '(K\x02K\x03M', 'the state of an array of version 1'],
  ['an array of six parts', 'q\x1atq\x1bb', 'q\x1aNtq\x1bb', 'the state of an array of version 1, of five parts'],
  ['a type of a version to come', '(K\x03U\x01|', '(K\x05U\x01|', 'the state of a type of NumPy'],
  ['a type of ten parts', 'K\x00tq\x19b', 'K\x00NNtq\x19b', 'the state of a type of NumPy'],
])('a pickle with the state of %s', async (_what, known, other, message) => {
  const folder = unpacked('cifar-100-python.tar.gz');
  const path = join(folder, 'cifar-100-python', 'train');
  const pickle = readFileSync(path, 'latin1');
  expect(pickle).toContain(known);
  writeFileSync(path, pickle.replace(known, other), 'latin1');
  await expect(loadDataset('cifar100', { directory: folder })).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
});

describe('archives of EMNIST', () => {
  test.each([
    // Sixteen of the 46 bytes before the name in the list are before the checksum.
    ['checksum', (bytes: Buffer) => bytes.lastIndexOf('gzip/emnist-balanced-train-images') - 30],
    ['header', (bytes: Buffer) => bytes.indexOf('emnist-balanced-train-images')],
  ])('an entry whose %s is not what the list says', async (what, place) => {
    const folder = temporaryFolder();
    const bytes = Buffer.from(readFileSync(published('gzip.zip')));
    bytes[place(bytes)]! ^= 1;
    writeFileSync(join(folder, 'gzip.zip'), bytes);
    await expect(loadDataset('emnist', { directory: folder })).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining(`the ${what} of 'gzip/emnist-balanced-train-images`),
    });
  });

  test('an entry that inflates beyond its size, and a gzip file beyond the set', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'gzip'));
    for (const kind of ['train-images-idx3', 'train-labels-idx1', 'test-images-idx3', 'test-labels-idx1'])
      writeFileSync(join(folder, 'gzip', `emnist-digits-${kind}-ubyte.gz`), gzipSync(Buffer.alloc(2_500_000)));
    await expect(loadDataset('emnist', { directory: folder })).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });
});
