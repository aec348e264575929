// 200 damaged files, each damaged in a way that must show: an error with a code every time, no crash, no hang.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tar from 'tar-stream';

import { loadDataset, loadImage, SeededRandom } from '../../lib/data';
import { cifarRecords, cleanUp, encodePng, idxImages, idxLabels, netpbm, temporaryFolder } from './support/helpers';

afterAll(cleanUp);

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer;

/** Ends the file early, somewhere. */
const cut: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length));
/** Takes a few bytes out of the middle. */
const remove: Mutation = (bytes, random) => {
  const at = random.below(bytes.length - 8);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(7))]);
};
/** Appends junk. */
const grow: Mutation = (bytes, random) =>
  Buffer.concat([bytes, Buffer.alloc(1 + random.below(2000), random.below(256))]);
/** Turns one bit of the bytes from `from` on before `to` (not positive: counted from the end). */
const flip =
  (from: number, to: number): Mutation =>
  (bytes, random) => {
    const out = Buffer.from(bytes);
    const end = to <= 0 ? bytes.length + to : to;
    out[from + random.below(end - from)]! ^= 1 << random.below(8);
    return out;
  };
/** Replaces everything by noise of the same length. */
const noise: Mutation = (bytes, random) => Buffer.from(bytes.map(() => random.below(256)));
/** A label that does not exist, in record `below(records)`. */
const label =
  (recordBytes: number, at: number, records: number, first: number): Mutation =>
  (bytes, random) => {
    const out = Buffer.from(bytes);
    out[at + recordBytes * random.below(records)] = first + random.below(256 - first);
    return out;
  };

interface Case {
  name: string;
  file: string;
  good: Buffer;
  mutations: Mutation[];
  load: (folder: string) => Promise<unknown>;
  companions?: [string, Buffer][];
}

async function packed(): Promise<Buffer> {
  const pack = tar.pack();
  for (const name of [
    'data_batch_1.bin',
    'data_batch_2.bin',
    'data_batch_3.bin',
    'data_batch_4.bin',
    'data_batch_5.bin',
    'test_batch.bin',
  ]) {
    pack.entry(
      { name: `cifar-10-batches-bin/${name}` },
      cifarRecords(2, (i) => [i]),
    );
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

async function allCases(): Promise<Case[]> {
  const cifar: [string, Buffer][] = [
    'data_batch_1.bin',
    'data_batch_2.bin',
    'data_batch_3.bin',
    'data_batch_4.bin',
    'data_batch_5.bin',
    'test_batch.bin',
  ].map((name) => [name, cifarRecords(3, (i) => [i])]);
  const mnist: [string, Buffer][] = [
    ['train-images-idx3-ubyte', idxImages(3)],
    ['train-labels-idx1-ubyte', idxLabels(3)],
    ['t10k-images-idx3-ubyte', idxImages(2)],
    ['t10k-labels-idx1-ubyte', idxLabels(2)],
  ];
  const picture = Uint8Array.from({ length: 12 * 9 * 3 }, (_, i) => (i * 53) % 256);
  const load =
    (name: 'cifar10' | 'mnist') =>
    (directory: string): Promise<unknown> =>
      loadDataset(name, { directory });
  const image = (folder: string): Promise<unknown> => loadImage(join(folder, 'picture'), [3, 4, 4]);
  return [
    {
      name: 'CIFAR record file',
      file: 'data_batch_3.bin',
      good: cifar[2]![1],
      companions: cifar,
      load: load('cifar10'),
      mutations: [cut, remove, grow, label(3073, 0, 3, 10)],
    },
    {
      name: 'CIFAR archive',
      file: 'cifar-10-binary.tar.gz',
      good: await packed(),
      load: load('cifar10'),
      // The first ten bytes of gzip hold a time and a system that nobody checks.
      mutations: [cut, remove, flip(10, 0), noise],
    },
    {
      name: 'idx images',
      file: 'train-images-idx3-ubyte',
      good: mnist[0]![1],
      companions: mnist,
      load: load('mnist'),
      mutations: [cut, remove, grow, flip(0, 16), noise],
    },
    {
      name: 'idx labels',
      file: 't10k-labels-idx1-ubyte',
      good: mnist[3]![1],
      companions: mnist,
      load: load('mnist'),
      mutations: [cut, grow, flip(0, 8), label(1, 8, 2, 10)],
    },
    {
      name: 'gzipped idx images',
      file: 't10k-images-idx3-ubyte.gz',
      good: gzipSync(mnist[2]![1]),
      companions: mnist.filter(([name]) => !name.startsWith('t10k-images')),
      load: load('mnist'),
      mutations: [cut, remove, flip(10, 0), noise],
    },
    {
      name: 'PNG',
      file: 'picture',
      good: encodePng({ width: 12, height: 9, depth: 8, colour: 2, samples: picture, filterOf: (y) => y % 5 }),
      load: image,
      mutations: [cut, remove, flip(0, -12), noise],
    },
    { name: 'PPM', file: 'picture', good: netpbm(12, 9, picture), load: image, mutations: [cut, remove] },
  ];
}

test('200 damaged files give 200 coded errors', async () => {
  const cases = await allCases();
  const folders: string[] = [];
  for (const { file, good, companions = [], load } of cases) {
    const folder = temporaryFolder();
    folders.push(folder);
    for (const [name, bytes] of companions) await writeFile(join(folder, name), bytes);
    await writeFile(join(folder, file), good);
    await load(folder); // undamaged it loads, or the rest would prove nothing
  }
  const begin = performance.now();
  const accepted: string[] = [];
  const codes = new Set<unknown>();
  for (let seed = 0; seed < 200; seed++) {
    const random = new SeededRandom(seed, 0xda3a6e);
    const index = seed % cases.length;
    const { name, file, good, mutations, load } = cases[index]!;
    const kind = Math.floor(seed / cases.length) % mutations.length;
    await writeFile(join(folders[index]!, file), mutations[kind]!(good, random));
    const error = await load(folders[index]!).then(
      () => null,
      (reason: Error & { code?: string }) => reason,
    );
    if (error === null) accepted.push(`seed ${seed}: ${name}, mutation ${kind}`);
    else {
      codes.add(error.code);
      if (error.code !== 'ERR_FORMAT' || !error.message.includes(file))
        accepted.push(`seed ${seed}: ${name}, mutation ${kind}: ${error.code} ${error.message}`);
    }
  }
  expect(accepted).toEqual([]);
  expect([...codes]).toEqual(['ERR_FORMAT']);
  expect(performance.now() - begin).toBeLessThan(30_000);
});

test('bits turned anywhere either load or give a coded error', async () => {
  const cases = await allCases();
  for (const [index, { file, good, companions = [], load }] of cases.entries()) {
    const folder = join(temporaryFolder(), 'set');
    await mkdir(folder);
    for (const [name, bytes] of companions) await writeFile(join(folder, name), bytes);
    for (let seed = 0; seed < 15; seed++) {
      const random = new SeededRandom(seed, index);
      await writeFile(join(folder, file), flip(0, 0)(flip(0, 0)(good, random), random));
      const error = await load(folder).then(
        () => null,
        (reason: Error & { code?: string }) => reason,
      );
      if (error !== null) expect(error.code).toBe('ERR_FORMAT');
    }
  }
});
