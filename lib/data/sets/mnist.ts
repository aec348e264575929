/** MNIST: 70,000 handwritten digits of 28x28. */
import { idxSet } from '../formats/idx';
import { smallNetwork, type DataSource } from './source';

const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const counts = { train: 60_000, test: 10_000 };

export const mnist: DataSource = {
  info: {
    title: 'MNIST, handwritten digits',
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    licence: 'CC BY-SA 3.0, as commonly stated for the set of Y. LeCun and C. Cortes',
    citation:
      'Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the IEEE 86(11), 1998',
    shape: [1, 28, 28],
    classes,
    counts,
  },
  kind: 'public',
  download: {
    urls: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    files: [
      { name: 'train-images-idx3-ubyte.gz', md5: 'f68b3c2dcbeaaa9fbdd348bbdeb94873', size: 9_912_422 },
      { name: 'train-labels-idx1-ubyte.gz', md5: 'd53e105ee54ea40749a09fcbcd1e9432', size: 28_881 },
      { name: 't10k-images-idx3-ubyte.gz', md5: '9fb629c4189551a2d022fa330f9573f3', size: 1_648_877 },
      { name: 't10k-labels-idx1-ubyte.gz', md5: 'ec29112dd5afa0611ce80d1b7f02629c', size: 4_542 },
    ],
  },
  ...idxSet({ name: 'mnist', classes, counts }),
  recipe: { model: smallNetwork, ann: { epochs: 5 }, snn: { epochs: 3 } },
};
