/** Where the public data sets come from, what may be done with them, and which files they consist of. */
import { cifarLayouts } from './cifar';
import { cifar10Classes, cifar100Classes, mnistClasses } from './class-names';
import { mnistCounts } from './mnist';
import { shapeClasses } from './shapes';
import type { DatasetName, ImageShape } from '../types';

export interface SourceFile {
  name: string;
  md5: string;
  /** Bytes. */
  size: number;
}

export interface Source {
  title: string;
  /** Folders on the web that hold the files, in the order in which they are tried. */
  urls: string[];
  homepage: string;
  licence: string;
  citation: string;
  files: SourceFile[];
  /** Null where the files of a user decide. */
  shape: ImageShape | null;
  classes: string[] | null;
  counts: { train: number; test: number } | null;
}

const krizhevsky =
  'A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, University of Toronto, 2009';
const cifarLicence = 'No licence is stated; the authors ask to cite the technical report';

export const sources: Record<DatasetName, Source> = {
  shapes: {
    title: 'Ten figures on coloured ground, generated from a seed',
    urls: [],
    homepage: '',
    licence: 'Part of onespike',
    citation: '',
    files: [],
    shape: [3, 32, 32],
    classes: shapeClasses,
    counts: { train: 6000, test: 1000 },
  },
  cifar10: {
    title: 'CIFAR-10, colour photographs in ten classes',
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    licence: cifarLicence,
    citation: krizhevsky,
    files: [{ name: cifarLayouts.cifar10.archive, md5: 'c32a1d4ab5d03f1284b67883e8d87530', size: 170_052_171 }],
    shape: [3, 32, 32],
    classes: cifar10Classes,
    counts: { train: 50_000, test: 10_000 },
  },
  cifar100: {
    title: 'CIFAR-100, colour photographs in a hundred classes (fine labels)',
    urls: ['https://www.cs.toronto.edu/~kriz/'],
    homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
    licence: cifarLicence,
    citation: krizhevsky,
    files: [{ name: cifarLayouts.cifar100.archive, md5: '03b5dce01913d631647c71ecec9e9cb8', size: 168_513_733 }],
    shape: [3, 32, 32],
    classes: cifar100Classes,
    counts: { train: 50_000, test: 10_000 },
  },
  mnist: {
    title: 'MNIST, handwritten digits',
    urls: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    licence: 'CC BY-SA 3.0, as commonly stated for the set of Y. LeCun and C. Cortes',
    citation:
      'Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11), 1998',
    files: [
      { name: 'train-images-idx3-ubyte.gz', md5: 'f68b3c2dcbeaaa9fbdd348bbdeb94873', size: 9_912_422 },
      { name: 'train-labels-idx1-ubyte.gz', md5: 'd53e105ee54ea40749a09fcbcd1e9432', size: 28_881 },
      { name: 't10k-images-idx3-ubyte.gz', md5: '9fb629c4189551a2d022fa330f9573f3', size: 1_648_877 },
      { name: 't10k-labels-idx1-ubyte.gz', md5: 'ec29112dd5afa0611ce80d1b7f02629c', size: 4_542 },
    ],
    shape: [1, 28, 28],
    classes: mnistClasses,
    counts: mnistCounts,
  },
  folder: {
    title: 'Pictures of your own: DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS',
    urls: [],
    homepage: '',
    licence: 'Yours',
    citation: '',
    files: [],
    shape: null,
    classes: null,
    counts: null,
  },
};
