/** Data sets: images in memory, ready to be trained on. This room knows no backend and no model. */
import { checkInteger, checkNumber, checkOneOf, checkOptions, checkSignal, checkString, expected } from '../check';
import { OneSpikeError } from '../errors';
import { loadCifar } from './sets/cifar';
import { datasetInfo, datasetNames, fetchDataset } from './download/fetch';
import { throwIfAborted } from './files';
import { loadFolder } from './sets/folder';
import { loadMnist } from './sets/mnist';
import { generateShapes } from './sets/shapes';
import { channelStatistics } from './statistics';
import type { DatasetName, ImageSet, LoadedDataset, LoadOptions } from './types';

export type { DatasetName, ImageSet, ImageShape, LoadedDataset, LoadOptions } from './types';
export type { DatasetInfo, FetchOptions, FetchProgress, FetchResult } from './download/fetch';
export { datasetInfo, datasetNames, fetchDataset } from './download/fetch';
export { loadImage } from './pictures/image';
export { splitValidation } from './split';
export { SeededRandom } from './random';
export { channelStatistics } from './statistics';

/** A Uint8Array of this many bytes can be made wherever Node 20 runs. */
const mostBytes = 2 ** 32 - 1;

function checkLoadOptions(options: unknown): LoadOptions {
  const given = checkOptions(options, 'the data set options', [
    'directory',
    'seed',
    'trainCount',
    'testCount',
    'size',
    'testShare',
    'leaveOut',
    'signal',
  ]) as LoadOptions;
  if (given.directory !== undefined) checkString(given.directory, 'directory');
  if (given.seed !== undefined) checkInteger(given.seed, 'seed', { min: 0 });
  if (given.trainCount !== undefined) checkInteger(given.trainCount, 'trainCount', { min: 1 });
  if (given.testCount !== undefined) checkInteger(given.testCount, 'testCount', { min: 1 });
  if (given.size !== undefined) checkInteger(given.size, 'size', { min: 1, max: 1024 });
  if (given.testShare !== undefined) checkNumber(given.testShare, 'testShare', { min: 0, max: 1, exclusive: true });
  if (given.leaveOut !== undefined) {
    if (!Array.isArray(given.leaveOut)) throw expected('an array of folders', 'leaveOut', given.leaveOut);
    given.leaveOut.forEach((folder, i) => checkString(folder, `leaveOut[${i}]`));
  }
  checkSignal(given.signal, 'signal');
  return given;
}

async function loadParts(name: DatasetName, options: LoadOptions): Promise<{ train: ImageSet; test: ImageSet }> {
  switch (name) {
    case 'cifar10':
    case 'cifar100':
      return loadCifar(name, options);
    case 'mnist':
      return loadMnist(options);
    case 'folder':
      return loadFolder(options);
    case 'shapes': {
      const { trainCount = 6000, testCount = 1000, seed = 0, size = 32 } = options;
      checkInteger(size, 'size', { min: 8 });
      const most = Math.floor(mostBytes / (3 * size * size));
      checkInteger(trainCount, `trainCount of ${size}x${size} pictures`, { max: most });
      checkInteger(testCount, `testCount of ${size}x${size} pictures`, { max: most });
      return { train: generateShapes(trainCount, seed, 0, size), test: generateShapes(testCount, seed, 1, size) };
    }
  }
}

/**
 * Loads a data set into memory.
 *
 * @throws ERR_ARG for unknown names or options, ERR_IO if files are missing or unreadable (the message says what to do),
 *   ERR_FORMAT if a file is not what it should be (the message names file, offset and expectation), ERR_OOM, ERR_ABORTED.
 */
export async function loadDataset(name: DatasetName, options: LoadOptions = {}): Promise<LoadedDataset> {
  checkOneOf(name, 'the data set name', datasetNames);
  const checked = checkLoadOptions(options);
  throwIfAborted(checked.signal, `loading ${name}`);
  try {
    const { train, test } = await loadParts(name, checked);
    return { name, train, test, ...channelStatistics(train) };
  } catch (error) {
    if (error instanceof Error && error.name === 'RangeError' && /allocation/i.test(error.message)) {
      throw new OneSpikeError(
        'ERR_OOM',
        `Expected memory for the images of ${name} but received none: ${error.message}`,
        { cause: error },
      );
    }
    throw error;
  }
}

export const datasets = { names: datasetNames, load: loadDataset, info: datasetInfo, fetch: fetchDataset };
