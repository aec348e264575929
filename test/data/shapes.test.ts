import { createHash } from 'node:crypto';

import { loadDataset } from '../../lib/data';
import { SeededRandom } from '../../lib/data/random';
import { generateShapes, shapeClasses } from '../../lib/data/sets/shapes';
import { expectError } from './support/helpers';
import { linearAccuracy } from './support/linear-model';

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

describe('SeededRandom', () => {
  test('gives the same numbers for ever', () => {
    expect(
      Array.from(
        { length: 4 },
        (
          (random) => () =>
            random.next()
        )(new SeededRandom(1)),
      ),
    ).toEqual([573063952, 3268221502, 703077755, 2308299391]);
    expect(
      Array.from(
        { length: 4 },
        (
          (random) => () =>
            random.next()
        )(new SeededRandom(2 ** 53 - 1, 3, 4)),
      ),
    ).toEqual([2097653881, 695674103, 2728962988, 2062375882]);
  });

  test('is uniform enough, and its streams are unrelated', () => {
    const bins = new Array<number>(16).fill(0);
    for (let stream = 0; stream < 4000; stream++) bins[new SeededRandom(0, 1, stream).below(16)]!++;
    for (const bin of bins) expect(Math.abs(bin - 250)).toBeLessThan(80); // five standard deviations
    const random = new SeededRandom(9);
    let sum = 0;
    for (let i = 0; i < 10_000; i++) sum += random.between(-1, 3);
    expect(Math.abs(sum / 10_000 - 1)).toBeLessThan(0.06);
  });

  test('shuffle keeps every item', () => {
    expect(
      [...new SeededRandom(5).shuffle(Uint8Array.from({ length: 100 }, (_, i) => i))].sort((a, b) => a - b),
    ).toEqual([...Array(100).keys()]);
  });
});

describe('shapes', () => {
  test('has the same bytes on every platform', () => {
    expect(hashOf(generateShapes(1000, 0, 0).pixels)).toBe('d7f25c950ff594f0');
    expect(hashOf(generateShapes(1000, 0, 1).pixels)).toBe('5e5a430ba42a3b7c');
    expect(hashOf(generateShapes(1000, 12345678901234, 0).pixels)).toBe('7cbe70b7a1e53865');
  });

  test('loads 6000 and 1000 balanced pictures, fast', async () => {
    const begin = performance.now();
    const { train, test: held, mean, std, name } = await loadDataset('shapes');
    // Half a second on an idle core; the bound allows for a loaded machine.
    expect(performance.now() - begin).toBeLessThan(15_000);
    expect({ name, train: train.count, test: held.count, shape: train.shape, classes: train.classes }).toEqual({
      name: 'shapes',
      train: 6000,
      test: 1000,
      shape: [3, 32, 32],
      classes: shapeClasses,
    });
    for (const set of [train, held]) {
      expect(set.pixels.length).toBe(set.count * 3072);
      expect(set.labels.length).toBe(set.count);
      for (let label = 0; label < 10; label++)
        expect(set.labels.filter((l) => l === label).length).toBe(set.count / 10);
    }
    expect(mean).toHaveLength(3);
    for (const value of mean) expect(Math.abs(value - 0.5)).toBeLessThan(0.05);
    for (const value of std) expect(value).toBeGreaterThan(0.2);
  });

  test('a larger set begins with the smaller one; seeds and parts differ', async () => {
    const small = await loadDataset('shapes', { trainCount: 30, testCount: 10, seed: 4 });
    const large = await loadDataset('shapes', { trainCount: 50, testCount: 20, seed: 4 });
    expect(hashOf(large.train.pixels.subarray(0, 30 * 3072))).toBe(hashOf(small.train.pixels));
    expect(hashOf(large.test.pixels.subarray(0, 10 * 3072))).toBe(hashOf(small.test.pixels));
    const pictures = new Set<string>();
    for (const set of [large.train, large.test, generateShapes(50, 5, 0)]) {
      for (let i = 0; i < set.count; i++) pictures.add(hashOf(set.pixels.subarray(i * 3072, (i + 1) * 3072)));
    }
    expect(pictures.size).toBe(120);
  });

  test('comes in other sizes', async () => {
    for (const size of [8, 17, 48]) {
      const { train } = await loadDataset('shapes', { trainCount: 20, testCount: 10, size });
      expect([train.shape, train.pixels.length]).toEqual([[3, size, size], 20 * 3 * size * size]);
      expect(new Set(train.pixels.subarray(-300)).size).toBeGreaterThan(20); // drawn to the last byte
    }
    await expectError(loadDataset('shapes', { size: 7 }), 'ERR_ARG', /size/);
    await expectError(
      loadDataset('shapes', { size: 1024, trainCount: 2000 }),
      'ERR_ARG',
      /trainCount of 1024x1024 pictures/,
    );
  });

  test('a linear model does not learn it', () => {
    const accuracy = linearAccuracy(generateShapes(3000, 0, 0), generateShapes(1000, 0, 1), 3, 0.0005);
    expect(accuracy).toBeLessThan(0.6);
    // Were it below chance by far, the regression itself would be broken.
    expect(accuracy).toBeGreaterThan(0.05);
  });
});
