// Data sets: images in memory, ready for training. Nothing here depends on a backend or a model.
import { fetchDataset } from './download/fetch';
import { datasetInfo } from './info';
import { loadDataset } from './load';
import { datasetNames } from './sets';

export {
  MIXED_SIZES,
  SCALED_SIDE,
  type DataWarning,
  type ImageSet,
  type ImageShape,
  type LoadedDataset,
  type LoadedParts,
  type LoadOptions,
  type MixedSizes,
} from './types';
export type { DownloadProgress, DownloadRetry } from './download/download';
export type { FetchedFile, FetchOptions, FetchProgress, FetchResult } from './download/fetch';
export type { DatasetInfo } from './info';
export { datasetNames, sourceNames, sources, type DatasetName, type DataSource, type SourceName } from './sets';
export { loadProgram } from './program/load';
export type {
  ImagePiece,
  ImageStream,
  LabelList,
  PixelBytes,
  ProgramDataset,
  ProgramImages,
  ProgramPart,
  StreamedImages,
} from './program/types';
export { checkDirectoryNamed, checkTakenOptions, loadDataset } from './load';
export { datasetInfo } from './info';
export { fetchDataset } from './download/fetch';
export { decodeImage, loadImage } from './pictures/image';
export { splitValidation } from './split';
export { SeededRandom } from './random';
export { channelStatistics } from './statistics';

/** The data sets: their names, and functions that load, describe and download them. */
export const datasets = {
  /** The names of all data sets. */
  names: datasetNames,
  /** Loads a data set into memory. */
  load: loadDataset,
  /** Describes a data set, and tells which of its files are here. */
  info: datasetInfo,
  /** Downloads the files of a public data set and verifies them. */
  fetch: fetchDataset,
};
