// The types of data sets in memory.

/** A Uint8Array of this many bytes can be created wherever Node 20 runs. */
export const MOST_BYTES = 2 ** 32 - 1;

/** The sides that the pictures of a folder may be scaled to. */
export const SCALED_SIDE = { min: 1, max: 1024 } as const;

/** The channels, the height and the width of an image: what a network takes, which a test compares. */
export const IMAGE_SIDE = { min: 1, max: 65_535 } as const;

/** Labels that are numbers make at most so many classes: the outputs of a network, which a test compares. */
export const MOST_CLASSES = 65_535;

/** The channels, height and width of one image. */
export type ImageShape = [channels: number, height: number, width: number];

/** The bytes of one image. */
export function imageSize({ shape: [channels, height, width] }: { shape: ImageShape }): number {
  return channels * height * width;
}

/** Labelled images of one shape. */
export interface ImageSet {
  /** The shape of every image. */
  shape: ImageShape;
  /** The names of the classes; a label is an index into this list. */
  classes: string[];
  /** The images (N, C, H, W), one byte per value, 0 dark, 255 bright. */
  pixels: Uint8Array;
  /** The labels (N). */
  labels: Int32Array;
  /** N, the number of images. */
  count: number;
}

/** A remark on the images that a person should know before trusting a result. */
export interface DataWarning {
  /**
   * The kind of the remark: `DATA_LEFT_OUT` files were not used, `DATA_LAYOUT` how the folders were understood,
   * `DATA_CHANGED` the run had other images before.
   */
  code: 'DATA_LEFT_OUT' | 'DATA_LAYOUT' | 'DATA_CHANGED';
  /** The remark as a sentence. */
  message: string;
}

/** The images of a data set as its files give them. */
export interface LoadedParts {
  /** The training images. */
  train: ImageSet;
  /** The test images. */
  test: ImageSet;
  /** The rows of `train`, ascending, that the data set itself sets aside for validation; absent where it does not. */
  validation?: Uint32Array;
  /** What a person should know about the images. */
  warnings?: DataWarning[];
}

/** A data set in memory. */
export interface LoadedDataset extends LoadedParts {
  /** The name of the data set. */
  name: string;
  /** What a person should know about the images; empty if there is nothing. */
  warnings: DataWarning[];
  /** The mean of byte / 255 per channel, over every pixel of `train`. */
  mean: number[];
  /** The population standard deviation of byte / 255 per channel, over every pixel of `train`. */
  std: number[];
}

/** What happens to pictures of several sizes: `resize` fits each one to the shape of the images, `refuse` fails. */
export type MixedSizes = 'resize' | 'refuse';
export const MIXED_SIZES = ['resize', 'refuse'] as const satisfies readonly MixedSizes[];

/** Options of `datasets.load`. */
export interface LoadOptions {
  /**
   * The folder of the files. By default `$ONESPIKE_DATA/NAME` if that exists, else `$ONESPIKE_DATA`, else
   * `~/.cache/onespike/NAME`.
   */
  directory?: string | undefined;
  /** The seed of generated sets, and of the division of an undivided `folder`; 0 by default. */
  seed?: number | undefined;
  /**
   * The number of training images: the first so many of the set; all by default. Of `shapes` so many are generated;
   * 6000 by default.
   */
  trainCount?: number | undefined;
  /** The number of test images, as `trainCount`; of `shapes` 1000 by default. */
  testCount?: number | undefined;
  /** The side to which images of `folder` are resized, and at which `shapes` are drawn; 32 by default. */
  size?: number | undefined;
  /** The share of an undivided `folder` that becomes the test part; 0.2 by default. */
  testShare?: number | undefined;
  /**
   * Whether pictures of a `folder` that cannot be read are left out, with a warning, instead of failing; false by
   * default.
   */
  skipUnreadable?: boolean | undefined;
  /**
   * What happens to pictures of several sizes in a `folder` or in Parquet files: `resize` fits each one to the shape of
   * the images, `refuse` fails with the names and sizes of two that differ; `resize` by default.
   */
  mixedSizes?: MixedSizes | undefined;
  /**
   * The division of a set that has several: of `emnist` byclass, bymerge, balanced, letters, digits or mnist (by
   * default balanced, or the only one that is there), of `svhn` train or train+extra (by default train).
   */
  split?: string | undefined;
  /** The paths in a `folder` that are no classes, whatever they hold, such as the folder that a run is written to. */
  exclude?: readonly string[] | undefined;
  /** The signal that stops loading, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}
