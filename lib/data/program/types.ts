// Images that a program hands over: whole arrays, or a stream of pieces.
import type { DataWarning, ImageShape } from '../types';

/** The bytes of images (N, C, H, W), 0 dark, 255 bright. */
export type PixelBytes = Uint8Array | Uint8ClampedArray;
/** Labels: positions in the list of classes, or names of that list. */
export type LabelList = ArrayLike<number | string>;

/** Images that are in memory as a whole. */
export interface ProgramImages {
  /** The images (N, C, H, W), one byte per value. They must not change until the run is over. */
  pixels: PixelBytes;
  /** The labels (N): positions in the list of classes, or names of that list. */
  labels: LabelList;
  /** N; by default the number of labels. */
  count?: number | undefined;
  /** The shape of every image; by default that of the data set. */
  shape?: ImageShape | undefined;
  /** The names of the classes; by default those of the data set. */
  classes?: readonly string[] | undefined;
}

/**
 * One image with its `label`, or several with their `labels`. The bytes are copied: the next piece may use them again.
 */
export interface ImagePiece {
  /** The image (C, H, W), or the images (N, C, H, W). */
  pixels: PixelBytes;
  /** The label of the only image. */
  label?: number | string | undefined;
  /** The labels of the images (N). */
  labels?: LabelList | undefined;
  /** The shape of an image, where neither the part nor the data set names it; the first piece counts. */
  shape?: ImageShape | undefined;
}

/** Images that come piece by piece. */
export type ImageStream = AsyncIterable<ImagePiece> | Iterable<ImagePiece>;

/** A stream with what all of its images have in common. */
export interface StreamedImages {
  /** The stream. */
  images: ImageStream;
  /** The shape of every image; by default that of the data set. */
  shape?: ImageShape | undefined;
  /** The names of the classes; by default those of the data set. */
  classes?: readonly string[] | undefined;
}

/** The images of one part of a data set: arrays, a stream of pieces, or a function that gives one. */
export type ProgramPart = ProgramImages | StreamedImages | ImageStream | (() => ImageStream);

/**
 * A data set of a program, for `train({ dataset })`. Streams are read once, before the training begins: one piece at a
 * time, and the next one is asked for when the last one is in memory.
 */
export interface ProgramDataset {
  /** A name for reports; `program` by default. */
  name?: string | undefined;
  /** The training images. */
  train: ProgramPart;
  /** The test images. */
  test: ProgramPart;
  /**
   * The validation images; or the rows of `train` that are set aside for validation; or the share of `train` that is,
   * 0.1 by default.
   */
  validation?: ProgramPart | Uint32Array | number | undefined;
  /** The shape of every image, where the parts do not name it. */
  shape?: ImageShape | undefined;
  /** The names of the classes, where the parts do not name them; by default the numbers from 0 to the largest label. */
  classes?: readonly string[] | undefined;
  /** The number of training images to take: the first so many. A stream is left there. */
  trainCount?: number | undefined;
  /** The number of test images to take. */
  testCount?: number | undefined;
  /** The mean of byte / 255 per channel; by default that of the training images. */
  mean?: readonly number[] | undefined;
  /** The standard deviation of byte / 255 per channel; by default that of the training images. */
  std?: readonly number[] | undefined;
  /** Remarks on the images, which the run reports. */
  warnings?: readonly DataWarning[] | undefined;
}
