// The real sets, where they are at hand: MNIST in ../shared/data/mnist, CIFAR under $ONESPIKE_DATA. Elsewhere skipped,
// with the reason.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { datasets, type LoadedDataset } from '../../lib/data';

interface Known {
  name: 'mnist' | 'cifar10' | 'cifar100';
  directory: string | undefined;
  reason: string;
  /** Images in both parts, the first test labels, and the published mean and deviation of the training set. */
  counts: [number, number];
  firstTestLabels: number[];
  mean: number[];
  std: number[];
}

const mnist = join(__dirname, '..', '..', '..', 'shared', 'data', 'mnist');
const cifar = process.env.ONESPIKE_DATA || undefined;
const has = (folder: string): string | undefined =>
  cifar !== undefined && existsSync(join(cifar, folder)) ? cifar : undefined;

const known: Known[] = [
  {
    name: 'mnist',
    directory: existsSync(mnist) ? mnist : undefined,
    reason: `no files in ${mnist}`,
    counts: [60_000, 10_000],
    firstTestLabels: [7, 2, 1, 0, 4],
    mean: [0.1307],
    std: [0.3081],
  },
  {
    name: 'cifar10',
    directory: has('cifar-10-batches-bin'),
    reason: 'no cifar-10-batches-bin in $ONESPIKE_DATA',
    counts: [50_000, 10_000],
    firstTestLabels: [3, 8, 8, 0, 6],
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.247, 0.2435, 0.2616],
  },
  {
    name: 'cifar100',
    directory: has('cifar-100-binary'),
    reason: 'no cifar-100-binary in $ONESPIKE_DATA',
    counts: [50_000, 10_000],
    firstTestLabels: [49, 33, 72, 51, 71],
    mean: [0.5071, 0.4865, 0.4409],
    std: [0.2673, 0.2564, 0.2762],
  },
];

for (const { name, directory, reason, counts, firstTestLabels, mean, std } of known) {
  const title = `${name} loads whole, with the published statistics`;
  if (directory === undefined) {
    console.log(`skipped: ${name}: ${reason}`);
    test.skip(title, () => undefined);
    continue;
  }
  test(title, async () => {
    const loaded: LoadedDataset = await datasets.load(name, { directory });
    expect([loaded.train.count, loaded.test.count]).toEqual(counts);
    expect([...loaded.test.labels.subarray(0, 5)]).toEqual(firstTestLabels);
    expect(loaded.mean.map((value) => Number(value.toFixed(4)))).toEqual(mean);
    expect(loaded.std.map((value) => Number(value.toFixed(4)))).toEqual(std);
    const perClass = loaded.train.count / loaded.train.classes.length;
    if (name !== 'mnist') {
      for (let label = 0; label < loaded.train.classes.length; label++)
        expect(loaded.train.labels.filter((l) => l === label).length).toBe(perClass);
    }
  });
}
