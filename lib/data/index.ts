/** Data sets: images in memory, ready to be trained on. This room knows no backend and no model. */
import { fetchDataset } from './download/fetch';
import { datasetInfo } from './info';
import { loadDataset } from './load';
import { datasetNames } from './sets';

export type { DataWarning, ImageSet, ImageShape, LoadedDataset, LoadOptions } from './types';
export type { FetchOptions, FetchProgress, FetchResult } from './download/fetch';
export type { DatasetInfo } from './info';
export { datasetNames, sources, type DatasetName, type DataSource } from './sets';
export { loadDataset } from './load';
export { datasetInfo } from './info';
export { fetchDataset } from './download/fetch';
export { loadImage } from './pictures/image';
export { splitValidation } from './split';
export { SeededRandom } from './random';
export { channelStatistics } from './statistics';

export const datasets = { names: datasetNames, load: loadDataset, info: datasetInfo, fetch: fetchDataset };
