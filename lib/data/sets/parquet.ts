// Pictures in Parquet files, as Hugging Face publishes data sets: a column of picture files and one of labels.
import { findParquet } from '../formats/parquet/find';
import { loadParquet } from '../formats/parquet/load';
import { locatedBy, nothingToDownload, ownPictures, recipeOfOwn, type DataSource } from './source';

export const parquet: DataSource = {
  info: ownPictures('Pictures in Parquet files, as Hugging Face lays them: train-*.parquet and test-*.parquet'),
  kind: 'own',
  download: nothingToDownload,
  options: ['directory', 'seed', 'trainCount', 'testCount', 'size', 'testShare', 'skipUnreadable', 'mixedSizes'],
  locate: (directory) => locatedBy(async () => ({ paths: [...(await findParquet(directory)).values()].flat() })),
  load: loadParquet,
  recipe: recipeOfOwn,
};
