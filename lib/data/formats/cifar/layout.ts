// CIFAR-10 and CIFAR-100: the names of their files in both official versions, and what a file holds once it is read.

export const IMAGE_BYTES = 3 * 32 * 32;

/** The version of which a file is: records of bytes, or pickles of Python. */
export type Version = 'binary' | 'python';
export const versions: readonly Version[] = ['binary', 'python'];

/** The names of one version. */
export interface VersionNames {
  /** The folder that its archive unpacks to. */
  folder: string;
  archive: string;
  train: string[];
  test: string[];
}

export interface CifarLayout extends Record<Version, VersionNames> {
  name: string;
  /** Records of each training file, and of each test file, in the official set. */
  trainRecords: number;
  testRecords: number;
  /** The label that counts is the last of these bytes of a record (CIFAR-100: coarse, fine). */
  labelBytes: number;
  /** The label that counts in a pickle. */
  labelKey: string;
  classes: string[];
}

/** One file of a set, read but not decoded. */
export interface Part {
  /** Where it came from, for messages. */
  origin: string;
  bytes: Buffer;
}

/** As far as the size of a file is known. */
export interface SizedPart {
  origin: string;
  bytes: { readonly length: number };
}

/** The images of one file. */
export interface CifarFile {
  origin: string;
  count: number;
  /** The label of an image, checked. */
  label(image: number): number;
  /** The pixels of an image (C, H, W). */
  pixels(image: number): Uint8Array;
}

export const filesOf = ({ train, test }: VersionNames): string[] => [...train, ...test];

/** The official number of images of a file. */
export function officialCount(layout: CifarLayout, version: Version, file: string): number {
  return layout[version].train.includes(file) ? layout.trainRecords : layout.testRecords;
}
