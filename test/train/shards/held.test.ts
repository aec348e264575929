// What a rank keeps of a data set: the images of its shards and of its share of the evaluations, of whatever format,
// while hash, labels, mean and deviation are those of the whole.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasets, type ImageSet, type LoadedDataset } from '../../../lib';
import { heldPart } from '../../../lib/data/held';
import { selectImages } from '../../../lib/data/split';
import { resolveConfig, type TrainConfig } from '../../../lib/train/config/config';
import type { Ranks } from '../../../lib/train/loop/ranks';
import { loadConfigured } from '../../../lib/train/loop/model';
import { keepOf } from '../../../lib/train/rows/held';
import { placeImages } from '../../../lib/train/rows/images';
import { hashDataset } from '../../../lib/train/run/data-record';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';

const folder = temporaryFolder();
const rank = (number: number, size: number): Ranks => ({ rank: number, size }) as Ranks;

/** Files of CIFAR-10 with a few records each, whose bytes follow from their place. */
function writeCifar(): string {
  const path = join(folder, 'cifar');
  mkdirSync(path, { recursive: true });
  const records = (file: number, count: number): Buffer =>
    Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        Buffer.from(Uint8Array.from({ length: 3073 }, (_byte, at) => (at === 0 ? i % 10 : file * 31 + i * 7 + at))),
      ),
    );
  for (let file = 1; file <= 5; file++) writeFileSync(join(path, `data_batch_${file}.bin`), records(file, 40));
  writeFileSync(join(path, 'test_batch.bin'), records(6, 30));
  return path;
}

/** Pictures in folders of two classes. */
function writePictures(): string {
  const path = join(folder, 'pictures');
  for (const name of ['day', 'night']) {
    mkdirSync(join(path, name), { recursive: true });
    for (let i = 0; i < 40; i++) {
      const bytes = Uint8Array.from({ length: 3 * 64 }, (_, at) => at * 3 + i * (name === 'day' ? 5 : 11));
      writeFileSync(join(path, name, `${i}.ppm`), Buffer.concat([Buffer.from('P6 8 8 255\n'), bytes]));
    }
  }
  return path;
}

const configOf = (dataset: object): TrainConfig =>
  resolveConfig({
    ...structuredClone(tinyConfig),
    dataset,
    shards: 8,
    convert: { images: 5 },
    energy: { images: 12 },
    evaluation: { batch: 4 },
  } as never);

const sets: [string, () => object][] = [
  ['CIFAR in files', () => ({ name: 'cifar10', directory: writeCifar(), trainCount: 160, validation: 0.2 })],
  ['pictures', () => ({ name: 'folder', directory: writePictures(), size: 8, validation: 0.2 })],
  [
    'pictures of which some may be left out',
    () => ({ name: 'folder', directory: writePictures(), size: 8, skipUnreadable: true, validation: 0.2 }),
  ],
  ['a generated set', () => ({ name: 'shapes', trainCount: 100, testCount: 30, size: 8, validation: 0.2 })],
];

describe.each(sets)('%s', (_, write) => {
  let config: TrainConfig;
  let whole: LoadedDataset;
  beforeAll(async () => {
    config = configOf(write());
    whole = await loadConfigured(config, folder);
  });
  const load = (number: number, size: number): Promise<LoadedDataset> => {
    const keep = keepOf(config, rank(number, size));
    return loadConfigured(config, folder, { keep });
  };

  test.each([1, 2, 4])('one of %i ranks knows what one process knows', async (size) => {
    const held = await load(size - 1, size);
    const known = ({ train, test, ...rest }: LoadedDataset): object => ({
      ...rest,
      parts: [train, test].map(({ labels, classes, shape, count }) => ({ labels, classes, shape, count })),
    });
    expect(known(held)).toEqual(known(whole));
    expect(await hashDataset(held)).toEqual(await hashDataset(whole));
  });

  test('the images that it keeps are a share, and the right ones', async () => {
    const shares = await Promise.all([0, 1, 2, 3].map((number) => load(number, 4)));
    for (const part of ['train', 'test'] as const) {
      const all = shares.map((loaded) => loaded[part]);
      for (const set of all) {
        const { rows } = heldPart(set)!;
        expect(set.pixels.length).toBe(rows.length * whole[part].shape.reduce((a, b) => a * b));
        expect(Buffer.compare(set.pixels, selectImages(whole[part], rows).pixels)).toBe(0);
        // A quarter; a piece more of what is evaluated, and what every rank needs.
        expect(rows.length).toBeLessThanOrEqual(set.count / 4 + 10);
      }
      const rowsOf = (set: ImageSet): number[] => [...heldPart(set)!.rows];
      expect(new Set(all.flatMap(rowsOf)).size).toBe(whole[part].count);
    }
  });

  test('native memory is given the same images as without', async () => {
    const ranks = rank(1, 4);
    const counts = [await load(1, 4), whole].map((loaded) => {
      const images = placeImages(loaded, config, ranks);
      images.dispose();
      const { train, validation, test, calibration } = images;
      return [train.count, ...[validation, test, calibration].map(({ indices }) => indices.length)];
    });
    expect(counts[0]).toEqual(counts[1]);
  });
});

test('an image that is not held is refused', async () => {
  const config = configOf({ name: 'shapes', trainCount: 100, testCount: 30, size: 8 });
  const { train } = await loadConfigured(config, folder, { keep: keepOf(config, rank(0, 8)) });
  const missing = train.labels.findIndex((_, row) => !heldPart(train)!.rows.includes(row));
  expect(() => selectImages(train, Uint32Array.of(missing))).toThrow(
    `that this process holds but received row ${missing}`,
  );
});

test('a data set that is loaded by name is whole', async () => {
  const { train } = await datasets.load('shapes', { trainCount: 20, testCount: 10, size: 8 });
  expect(heldPart(train)).toBeUndefined();
  expect(train.pixels).toHaveLength(20 * 3 * 64);
});
