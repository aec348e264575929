import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadDataset, splitValidation } from '../../lib/data';
import { channelStatistics } from '../../lib/data/statistics';
import type { ImageSet } from '../../lib/data/types';
import { cleanUp, encodePng, expectError, netpbm, temporaryFolder } from './support/helpers';

afterAll(cleanUp);

/** `count` pictures of 4x4, all pixels of picture i equal to base + i; PNG and PPM in turns. */
async function writeClass(folder: string, count: number, base: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const data = new Uint8Array(48).fill(base + i);
    const bytes =
      i % 2 === 0 ? netpbm(4, 4, data) : encodePng({ width: 4, height: 4, depth: 8, colour: 2, samples: data });
    await writeFile(join(folder, `picture${i}.${i % 2 === 0 ? 'ppm' : 'png'}`), bytes);
  }
}

/** [label, value of the first pixel] of every image. */
const contents = (set: ImageSet): [number, number][] =>
  Array.from(set.labels, (label, i) => [label, set.pixels[(i * set.pixels.length) / set.count]!]);

describe('folder', () => {
  test('train and test folders', async () => {
    const directory = temporaryFolder();
    await writeClass(join(directory, 'train', 'zebra'), 3, 10);
    await writeClass(join(directory, 'train', 'Ant'), 2, 100);
    await writeClass(join(directory, 'test', 'zebra'), 1, 200);
    await writeFile(join(directory, 'train', 'zebra', 'notes.txt'), 'no picture');
    await writeFile(join(directory, 'train', '.DS_Store'), '');
    const { train, test: held } = await loadDataset('folder', { directory, size: 8 });
    expect([train.classes, train.shape, train.count, held.count]).toEqual([['Ant', 'zebra'], [3, 8, 8], 5, 1]);
    expect(contents(train).sort((a, b) => a[1] - b[1])).toEqual([
      [1, 10],
      [1, 11],
      [1, 12],
      [0, 100],
      [0, 101],
    ]);
    expect(contents(held)).toEqual([[1, 200]]);
    await writeClass(join(directory, 'test', 'cat'), 1, 1);
    await expectError(loadDataset('folder', { directory }), 'ERR_FORMAT', /received cat/);
  });

  test('an unsplit folder is split by the seed, each class in proportion', async () => {
    const directory = temporaryFolder();
    await writeClass(join(directory, 'a'), 20, 0);
    await writeClass(join(directory, 'b'), 10, 100);
    const first = await loadDataset('folder', { directory, seed: 1 });
    expect(await loadDataset('folder', { directory, seed: 1 })).toEqual(first);
    expect([first.train.count, first.test.count, first.test.labels.filter((l) => l === 1).length]).toEqual([24, 6, 2]);
    expect(new Set([...contents(first.train), ...contents(first.test)].map(([, value]) => value)).size).toBe(30);
    expect(contents((await loadDataset('folder', { directory, seed: 2 })).test)).not.toEqual(contents(first.test));
    const few = await loadDataset('folder', { directory, seed: 1, trainCount: 8, testShare: 0.5 });
    expect(new Set(few.train.labels).size).toBe(2);
    expect(few.test.count).toBe(15);
  });

  test('what is wrong is said', async () => {
    const directory = temporaryFolder();
    delete process.env.ONESPIKE_DATA;
    await expectError(loadDataset('folder'), 'ERR_ARG', /--data DIR/);
    await expectError(loadDataset('folder', { directory: join(directory, 'missing') }), 'ERR_IO', /missing/);
    await expectError(loadDataset('folder', { directory }), 'ERR_FORMAT', /two class folders .* received 0/);
    await writeClass(join(directory, 'a'), 2, 0);
    await mkdir(join(directory, 'b'));
    await expectError(
      loadDataset('folder', { directory }),
      'ERR_FORMAT',
      /at least one picture .*\/b but received an empty folder/,
    );
    await writeFile(join(directory, 'b', 'x.png'), 'no png');
    await expectError(loadDataset('folder', { directory }), 'ERR_FORMAT', /x\.png/);
    await rm(join(directory, 'b', 'x.png'));
    await writeClass(join(directory, 'b'), 1, 0);
    const controller = new AbortController();
    const loading = loadDataset('folder', { directory, signal: controller.signal });
    controller.abort();
    await expectError(loading, 'ERR_ABORTED');
  });
});

describe('splitValidation', () => {
  const setOf = (labels: number[], classes: number): ImageSet => ({
    shape: [1, 1, 1],
    classes: Array.from({ length: classes }, (_, i) => `${i}`),
    pixels: new Uint8Array(labels.length),
    labels: Int32Array.from(labels),
    count: labels.length,
  });
  const set = setOf(
    Array.from({ length: 1000 }, (_, i) => (i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2)),
    4,
  );

  test('is stratified, a partition, and fixed by the seed', () => {
    const { train, validation } = splitValidation(set, 0.1, 7);
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
    expect([0, 1, 2, 3].map((label) => validation.filter((i) => set.labels[i] === label).length)).toEqual([
      60, 30, 10, 0,
    ]);
    expect([...train]).toEqual([...train].sort((a, b) => a - b));
    expect(splitValidation(set, 0.1, 7)).toEqual({ train, validation });
    expect(splitValidation(set, 0.1, 8).validation).not.toEqual(validation);
  });

  test('the limits', async () => {
    expect(splitValidation(set, 0, 1).validation.length).toBe(0);
    // A class of one image keeps it for training.
    expect([...splitValidation(setOf([0, 1, 1], 2), 0.9, 1).train]).toContain(0);
    for (const share of [1, -0.1, NaN])
      await expectError((async () => splitValidation(set, share, 1))(), 'ERR_ARG', /validation share/);
  });
});

test('channelStatistics agrees with the definition', () => {
  const pixels = Uint8Array.from({ length: 5 * 3 * 4 }, (_, i) => (i * i * 7) % 256);
  pixels.forEach((_, i) => {
    if (Math.floor(i / 4) % 3 === 2) pixels[i] = 9; // the last channel does not vary
  });
  const { mean, std } = channelStatistics({ shape: [3, 2, 2], pixels, count: 5 });
  for (const channel of [0, 1]) {
    const values = [...pixels].filter((_, i) => Math.floor(i / 4) % 3 === channel).map((p) => p / 255);
    const average = values.reduce((a, b) => a + b) / values.length;
    expect(mean[channel]).toBeCloseTo(average, 12);
    expect(std[channel]).toBeCloseTo(Math.sqrt(values.reduce((a, b) => a + (b - average) ** 2, 0) / values.length), 12);
  }
  expect([mean[2], std[2]]).toEqual([9 / 255, 1]);
});
