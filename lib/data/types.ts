/** What every data set looks like once it is in memory. */

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

export interface LoadedDataset {
  name: string;
  train: ImageSet;
  test: ImageSet;
  /** Per channel, of byte / 255 over every pixel of `train`. */
  mean: number[];
  /** Per channel population standard deviation of byte / 255 over every pixel of `train`. */
  std: number[];
}

export type DatasetName = 'shapes' | 'cifar10' | 'cifar100' | 'mnist' | 'folder';

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
  /** `folder` only: folders that hold no pictures even where they lie among those of the classes, such as that of a run. */
  leaveOut?: string[];
  signal?: AbortSignal;
}
