// MNIST, and the sets that were made to take its place: the same form, files and sizes.
import { idxSet, type IdxSet } from '../formats/idx/idx';
import { cropsAndFlips, smallNetwork, type DataSource, type SourceFile } from './source';

export const digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const counts = { train: 60_000, test: 10_000 };
const prefixes = { train: 'train', test: 't10k' };

/** MD5 and bytes of the four official files, in the order of their names above. */
type Files = [images: [string, number], labels: [string, number], images: [string, number], labels: [string, number]];

const filesOf = (sums: Files): SourceFile[] =>
  ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'].map((name, i) => ({
    name: `${name}-ubyte.gz`,
    md5: sums[i]![0],
    size: sums[i]![1],
  }));

/** A set of 70,000 grey images of 28x28 in ten classes. */
function likeMnist(
  set: Pick<IdxSet, 'name' | 'folder' | 'classes'>,
  info: Pick<DataSource['info'], 'title' | 'homepage' | 'licence' | 'citation'>,
  urls: string[],
  sums: Files,
  recipe: DataSource['recipe'],
): DataSource {
  return {
    info: { ...info, shape: [1, 28, 28], classes: set.classes, counts },
    kind: 'public',
    download: { urls, files: filesOf(sums) },
    ...idxSet({ ...set, prefixes, counts }),
    recipe,
  };
}

export const mnist = likeMnist(
  { name: 'mnist', folder: 'MNIST', classes: digits },
  {
    title: 'MNIST, handwritten digits',
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    licence: 'CC BY-SA 3.0, as commonly stated for the set of Y. LeCun and C. Cortes',
    citation:
      'Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11), 1998',
  },
  ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
  [
    ['f68b3c2dcbeaaa9fbdd348bbdeb94873', 9_912_422],
    ['d53e105ee54ea40749a09fcbcd1e9432', 28_881],
    ['9fb629c4189551a2d022fa330f9573f3', 1_648_877],
    ['ec29112dd5afa0611ce80d1b7f02629c', 4_542],
  ],
  { model: smallNetwork, ann: { epochs: 5 }, snn: { epochs: 3 } },
);

export const fashionMnist = likeMnist(
  {
    name: 'fashion-mnist',
    folder: 'FashionMNIST',
    classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  },
  {
    title: 'Fashion-MNIST, articles of clothing',
    homepage: 'https://github.com/zalandoresearch/fashion-mnist',
    licence: 'MIT',
    citation:
      'H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, arXiv:1708.07747, 2017',
  },
  ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/'],
  [
    ['8d4fb7e6c68d591d4c3dfef9ec88bf0d', 26_421_880],
    ['25c81989df183df01b3e8a0aad5dffbe', 29_515],
    ['bef4ecab320f06d8554ea6380940ec79', 4_422_102],
    ['bb300cfdad3c16e7a12a480ee83cd310', 5_148],
  ],
  {
    model: smallNetwork,
    ann: { epochs: 10, augment: { ...cropsAndFlips, padding: 2 } },
    snn: { epochs: 6, augment: { ...cropsAndFlips, padding: 2 } },
  },
);

export const kmnist = likeMnist(
  { name: 'kmnist', folder: 'KMNIST', classes: ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'] },
  {
    title: 'Kuzushiji-MNIST, handwritten characters of old Japanese books',
    homepage: 'http://codh.rois.ac.jp/kmnist/',
    licence: 'CC BY-SA 4.0',
    citation:
      'T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha, Deep Learning for Classical Japanese Literature, arXiv:1812.01718, 2018',
  },
  ['http://codh.rois.ac.jp/kmnist/dataset/kmnist/'],
  [
    ['bdb82020997e1d708af4cf47b453dcf7', 18_165_135],
    ['e144d726b3acfaa3e44228e80efcd344', 29_497],
    ['5c965bf0a639b31b8f53240b1b52f4d7', 3_041_136],
    ['7320c461ea6c1c855c0b718fb2a4b134', 5_120],
  ],
  { model: smallNetwork, ann: { epochs: 10 }, snn: { epochs: 6 } },
);
