/** What every data set looks like once it is in memory. */

/** A Uint8Array of this many bytes can be created wherever Node 20 runs. */
export const mostBytes = 2 ** 32 - 1;

/** Channels, height, width of one image. */
export type ImageShape = [channels: number, height: number, width: number];

/** Labelled images of one shape. */
export interface ImageSet {
  shape: ImageShape;
  /** Class names; a label is an index into this list. */
  classes: string[];
  /** (N, C, H, W), one byte per value, 0 dark, 255 bright. */
  pixels: Uint8Array;
  /** (N). */
  labels: Int32Array;
  /** N. */
  count: number;
}

/** Something about the images that a person should know before trusting a result. */
export interface DataWarning {
  /** `DATA_LEFT_OUT`: files were not used. `DATA_LAYOUT`: how the folders were understood. `DATA_CHANGED`: a run had other images. */
  code: 'DATA_LEFT_OUT' | 'DATA_LAYOUT' | 'DATA_CHANGED';
  message: string;
}

/** The images of a data set as its files give them. */
export interface LoadedParts {
  train: ImageSet;
  test: ImageSet;
  /** Rows of `train`, ascending, that the data set itself sets aside for validation; absent where it does not. */
  validation?: Uint32Array;
  warnings?: DataWarning[];
}

export interface LoadedDataset extends LoadedParts {
  name: string;
  warnings: DataWarning[];
  /** Per channel, of byte / 255 over every pixel of `train`. */
  mean: number[];
  /** Per channel population standard deviation of byte / 255 over every pixel of `train`. */
  std: number[];
}

export interface LoadOptions {
  /** Where the files are. Default: `$ONESPIKE_DATA/NAME` if that exists, else `$ONESPIKE_DATA`, else `~/.cache/onespike/NAME`. */
  directory?: string;
  /** Seed of generated sets and of the split of an unsplit `folder`. Default 0. */
  seed?: number;
  /** Images to keep: the first so many of the set (`shapes`: to generate). Default: all (`shapes`: 6000). */
  trainCount?: number;
  /** As `trainCount` for the test part (`shapes`: 1000). */
  testCount?: number;
  /** `folder` and `shapes`: the images are resized to (drawn at) size x size. Default 32. The other sets have the size they have. */
  size?: number;
  /** `folder` only: share of an unsplit folder that becomes the test part. Default 0.2. */
  testShare?: number;
  /** `folder` only: leave out pictures that cannot be read, with a warning, where loading would fail. Default false. */
  skipUnreadable?: boolean;
  /** `folder` only: paths that are no classes, whatever they hold, such as the folder that a run is written to. */
  exclude?: readonly string[];
  signal?: AbortSignal;
}
