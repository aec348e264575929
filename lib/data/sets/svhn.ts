// SVHN: 99,289 photographs of single digits of house numbers, 32x32, in Matlab's files; 531,131 more as `extra`.
import { join } from 'node:path';

import { OneSpikeError } from '../../errors';
import { readMat, type MatArray } from '../../io/binary/mat';
import { adviceFor, readBounded, statOrNull, throwIfAborted } from '../files';
import { transposed } from '../formats/transposed';
import { joinSets } from '../split';
import type { ImageSet } from '../types';
import { digits } from './mnist';
import { locatedFiles, type DataSource } from './source';

const SIDE = 32;
const IMAGE_BYTES = 3 * SIDE * SIDE;
/** The label of a zero. */
const ZERO = 10;

const files = {
  train: { name: 'train_32x32.mat', md5: 'e26dedcc434d2e4c54c9b2d4a06d8373', size: 182_040_794 },
  test: { name: 'test_32x32.mat', md5: 'eb5a983be6a315427106f1b164d9cef3', size: 64_275_384 },
};
/** It is not downloaded: 1.3 GB that few need. */
const extra = 'extra_32x32.mat';
const mostImages = { [files.train.name]: 73_257, [files.test.name]: 26_032, [extra]: 531_131 };

const splits = ['train', 'train+extra'];

/** The path of a file: in the folder itself, where torchvision puts it, or in one that is named as the set. */
async function locateFile(directory: string, name: string): Promise<string | null> {
  for (const folder of [directory, join(directory, 'SVHN'), join(directory, 'svhn')]) {
    const path = join(folder, name);
    if ((await statOrNull(path)) !== null) return path;
  }
  return null;
}

async function loadFile(directory: string, name: string, keep: number, signal?: AbortSignal): Promise<ImageSet> {
  const path = await locateFile(directory, name);
  if (path === null)
    throw new OneSpikeError('ERR_IO', `Expected ${name} in ${directory} but found none; ${adviceFor('svhn')}`);
  const most = mostImages[name]!;
  const mostBytes = most * (IMAGE_BYTES + 64) + 65_536;
  const arrays = await readMat(
    await readBounded(path, mostBytes, signal),
    mostBytes,
    (at, what, received) =>
      new OneSpikeError('ERR_FORMAT', `Expected ${what} at byte ${at} of ${path} but received ${received}`),
  );
  const refuse = (what: string, array: MatArray | undefined): OneSpikeError =>
    new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} in ${path} but received ${array === undefined ? [...arrays.keys()].slice(0, 8).join(', ') || 'no array' : array.shape.join(' x ')}`,
    );
  const images = arrays.get('X');
  const answers = arrays.get('y');
  const [height, width, channels, total = 1] = images?.shape ?? [];
  const isImages = height === SIDE && width === SIDE && channels === 3 && total >= 1 && total <= most;
  if (!isImages || !(images!.values instanceof Uint8Array))
    throw refuse(`bytes X of ${SIDE} x ${SIDE} x 3 x N, N from 1 to ${most},`, images);
  if (answers?.values.length !== total) throw refuse(`${total} labels y`, answers);
  const count = Math.min(total, keep);
  return {
    shape: [3, SIDE, SIDE],
    classes: [...digits],
    // (H, W, C, N) whose first index runs fastest: (N, C, W, H).
    pixels: transposed((images!.values as Uint8Array).subarray(0, count * IMAGE_BYTES), SIDE),
    labels: labelsOf(answers.values, path).slice(0, count),
    count,
  };
}

function labelsOf(values: ArrayLike<number>, path: string): Int32Array {
  return Int32Array.from(values, (label, image) => {
    // The authors write 10; files that others have changed may have the digit itself.
    if (Number.isInteger(label) && label >= 0 && label <= ZERO) return label % ZERO;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a label from 0 to ${ZERO} of image ${image} in ${path} but received ${label}`,
    );
  });
}

export const svhn: DataSource = {
  info: {
    title: 'SVHN, digits of house numbers',
    homepage: 'http://ufldl.stanford.edu/housenumbers/',
    licence: 'For non-commercial use only, as its authors state',
    citation:
      'Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, Reading Digits in Natural Images with Unsupervised Feature Learning, NIPS Workshop on Deep Learning and Unsupervised Feature Learning, 2011',
    shape: [3, SIDE, SIDE],
    classes: digits,
    counts: { train: 73_257, test: 26_032 },
  },
  kind: 'public',
  download: { urls: ['http://ufldl.stanford.edu/housenumbers/'], files: [files.train, files.test] },
  options: ['directory', 'split', 'trainCount', 'testCount'],
  splits,
  locate: async (directory) => {
    const paths = await Promise.all([files.train.name, files.test.name].map((name) => locateFile(directory, name)));
    return locatedFiles(paths);
  },
  load: async (directory, { split = 'train', trainCount = Infinity, testCount = Infinity, signal }) => {
    let train = await loadFile(directory, files.train.name, trainCount, signal);
    if (split === 'train+extra' && train.count < trainCount)
      train = joinSets(train, await loadFile(directory, extra, trainCount - train.count, signal));
    throwIfAborted(signal, 'loading svhn');
    return { train, test: await loadFile(directory, files.test.name, testCount, signal) };
  },
  // A mirrored digit is none.
  recipe: {
    ann: { epochs: 30, augment: { padding: 2, flip: false } },
    snn: { epochs: 20, augment: { padding: 2, flip: false } },
  },
};
