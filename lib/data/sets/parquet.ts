/** Pictures in Parquet files, as Hugging Face publishes data sets: a column of picture files and one of labels. */
import { isOneSpikeError } from '../../errors';
import { findParquet } from '../formats/parquet/find';
import { loadParquet } from '../formats/parquet/load';
import { cropsAndFlips, nothingToDownload, smallNetwork, type DataSource } from './source';

export const parquet: DataSource = {
  info: {
    title: 'Pictures in Parquet files, as Hugging Face lays them: train-*.parquet and test-*.parquet',
    homepage: '',
    licence: 'Yours',
    citation: '',
    shape: null,
    classes: null,
    counts: null,
  },
  kind: 'own',
  download: nothingToDownload,
  options: ['directory', 'seed', 'trainCount', 'testCount', 'size', 'testShare', 'skipUnreadable', 'mixedSizes'],
  locate: async (directory) => {
    try {
      return { present: true, paths: [...(await findParquet(directory)).values()].flat() };
    } catch (error) {
      if (isOneSpikeError(error)) return { present: false, paths: [] };
      throw error;
    }
  },
  load: loadParquet,
  recipe: {
    model: { ...smallNetwork, dropout: 0.1 },
    ann: { epochs: 30, augment: cropsAndFlips },
    snn: { epochs: 20, augment: cropsAndFlips },
  },
};
