// What a run records of its images, and how those that are loaded for it again differ from them.
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { DataWarning, ImageSet, LoadedDataset } from '../../data';
import { ImageHash } from '../../data/hash';
import { heldPart } from '../../data/held';
import { OneSpikeError } from '../../errors';

/** SHA-256 of the images and labels of each part; runs of earlier versions have none. */
export interface ImageHashes {
  /** The hash of the images to train on, before those for validation are set aside. */
  train: string;
  /** The hash of the test images. */
  test: string;
}

/** What a run records of its data set. */
export interface DataRecord {
  /** The name of the data set. */
  name: string;
  /** The names of the classes; a label is a position in this list. */
  classes: string[];
  /** The number of images trained on. */
  train: number;
  /** The number of images set aside for validation. */
  validation: number;
  /** The number of test images. */
  test: number;
  /** The hashes of the images; runs of earlier versions have none. */
  hash?: ImageHashes | undefined;
  /** The mean of every channel, of pixels from 0 to 1. */
  mean: number[];
  /** The standard deviation of every channel. */
  std: number[];
}

// One piece takes about 10 ms; other work of the thread comes between two of them.
const PIECE_BYTES = 2 ** 24;

async function hashImages(set: ImageSet): Promise<string> {
  const held = heldPart(set);
  if (held !== undefined) return held.hash;
  const hash = new ImageHash(set);
  for (let at = 0; at < set.pixels.length; at += PIECE_BYTES) {
    hash.add(set.pixels.subarray(at, at + PIECE_BYTES));
    await yieldToOthers();
  }
  return hash.digest();
}

export async function hashDataset({ train, test }: LoadedDataset): Promise<ImageHashes> {
  return { train: await hashImages(train), test: await hashImages(test) };
}

/** Labels are positions in the list of classes: with another list they would mean other things. Errors: ERR_STATE. */
export function checkClasses(record: Pick<DataRecord, 'classes'>, classes: readonly string[], where: string): void {
  const same = classes.length === record.classes.length && classes.every((name, i) => name === record.classes[i]);
  if (same) return;
  const missing = record.classes.filter((name) => !classes.includes(name));
  const added = classes.filter((name) => !record.classes.includes(name));
  const difference = [
    ...(missing.length > 0 ? [`without ${list(missing)}`] : []),
    ...(added.length > 0 ? [`with ${list(added)}`] : []),
    ...(missing.length + added.length === 0 ? ['in another order'] : []),
  ].join(' and ');
  throw new OneSpikeError(
    'ERR_STATE',
    `Expected the classes of the run (${list(record.classes)}) in ${where} but received them ${difference}: ` +
      'a label would mean another class than it was trained as',
  );
}

function list(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}

/** Which parts of the images, whose hashes are `now`, are others than the run had. */
export function changedParts(record: DataRecord, loaded: LoadedDataset, now: ImageHashes): ('train' | 'test')[] {
  const { hash: then = now } = record;
  const counts = { train: record.train + record.validation, test: record.test };
  return (['train', 'test'] as const).filter((part) => loaded[part].count !== counts[part] || now[part] !== then[part]);
}

/** What to say of a changed part. */
export function changeWarning(record: DataRecord, loaded: LoadedDataset, part: 'train' | 'test'): DataWarning {
  const before = part === 'train' ? record.train + record.validation : record.test;
  const now = loaded[part].count;
  const counts = before === now ? `${now}, with other contents` : `${before} then, ${now} now`;
  const consequence =
    part === 'train'
      ? 'results are no longer bit-identical, and validation images may have been trained on'
      : 'accuracies are of other images, which may have been trained on';
  const name = part === 'train' ? 'training' : 'test';
  return {
    code: 'DATA_CHANGED',
    message: `the ${name} images of ${loaded.name} are not those of the run (${counts}): ${consequence}`,
  };
}
