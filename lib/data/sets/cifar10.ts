// CIFAR-10: 60,000 colour photographs of 32x32 in ten classes.
import { cifarSet } from '../formats/cifar/cifar';
import type { CifarLayout } from '../formats/cifar/layout';
import { cropsAndFlips, type DataSource } from './source';

const layout: CifarLayout = {
  name: 'cifar10',
  binary: {
    folder: 'cifar-10-batches-bin',
    archive: 'cifar-10-binary.tar.gz',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ['test_batch.bin'],
  },
  python: {
    folder: 'cifar-10-batches-py',
    archive: 'cifar-10-python.tar.gz',
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`),
    test: ['test_batch'],
  },
  trainRecords: 10_000,
  testRecords: 10_000,
  labelBytes: 1,
  labelKey: 'labels',
  classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
};

export const krizhevsky =
  'A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, University of Toronto, 2009';
export const cifarHomepage = 'https://www.cs.toronto.edu/~kriz/cifar.html';
export const cifarLicence = 'No licence is stated; the authors ask to cite the technical report';
export const cifarRecipe = {
  ann: { epochs: 60, augment: cropsAndFlips },
  snn: { epochs: 40, augment: cropsAndFlips },
  convert: { images: 512 },
  model: { dropout: 0.1 },
} as const;

export const cifar10: DataSource = {
  info: {
    title: 'CIFAR-10, colour photographs in ten classes',
    homepage: cifarHomepage,
    licence: cifarLicence,
    citation: krizhevsky,
    shape: [3, 32, 32],
    classes: layout.classes,
    counts: { train: 50_000, test: 10_000 },
  },
  kind: 'public',
  download: {
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    files: [{ name: layout.binary.archive, md5: 'c32a1d4ab5d03f1284b67883e8d87530', size: 170_052_171 }],
  },
  ...cifarSet(layout),
  recipe: cifarRecipe,
};
