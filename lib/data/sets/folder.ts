/** Pictures of one's own in one folder per class: DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/* split here. */
import { isOneSpikeError } from '../../errors';
import { loadFound } from '../formats/folders/load';
import { findPictures } from '../formats/folders/parts';
import type { LoadedParts, LoadOptions } from '../types';
import { cropsAndFlips, nothingToDownload, smallNetwork, type DataSource, type Located } from './source';

export const folder: DataSource = {
  info: {
    title: 'Pictures of your own: DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS',
    homepage: '',
    licence: 'Yours',
    citation: '',
    shape: null,
    classes: null,
    counts: null,
  },
  kind: 'own',
  download: nothingToDownload,
  options: [
    'directory',
    'seed',
    'trainCount',
    'testCount',
    'size',
    'testShare',
    'skipUnreadable',
    'mixedSizes',
    'exclude',
  ],
  locate,
  load,
  // Few pictures, as a rule: at full width ten of them train a network of 50 million parameters, and the run takes a gigabyte.
  recipe: {
    model: { ...smallNetwork, dropout: 0.1 },
    ann: { epochs: 30, augment: cropsAndFlips },
    snn: { epochs: 20, augment: cropsAndFlips },
  },
};

async function locate(directory: string): Promise<Located> {
  try {
    const { classes, items } = await findPictures(directory, {});
    const { train, test, validation } = items;
    return {
      present: true,
      paths: [],
      classes,
      counts: { train: train.length + validation.length, test: test.length },
    };
  } catch (error) {
    if (isOneSpikeError(error)) return { present: false, paths: [] };
    throw error;
  }
}

async function load(directory: string, options: LoadOptions): Promise<LoadedParts> {
  return loadFound(directory, await findPictures(directory, options), options);
}
