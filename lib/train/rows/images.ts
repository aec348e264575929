// The images of a run in native memory, and the rows of them that each part of the work takes.
import { expected } from '../../check';
import type { ImageSet, LoadedDataset } from '../../data';
import { selectImages } from '../../data/split';
import { evaluatedAtOnce } from '../../model/network/forward';
import { createDataset, type NativeDataset } from '../../native/dataset';
import type { TrainConfig } from '../config/config';
import { PHASES } from '../run/events';
import type { Ranks } from '../loop/ranks';
import { pieceRows, thresholdRows, trainingRows } from './held';
import { allRows, joinRows } from './order';
import { divide, type Shards } from './shards';

/** Rows of a set in native memory. */
export interface NativeRows {
  dataset: NativeDataset;
  indices: Uint32Array;
}

export interface RunImages {
  /** The images that this process trains on, and perhaps others. */
  train: NativeDataset;
  /** The test images on the host, and the names of the classes. */
  testSet: ImageSet;
  /** Rows of the data set: of its training part (the first two), and of its test part. */
  rows: { train: Uint32Array; validation: Uint32Array; test: Uint32Array };
  /** The shards of the rows that are trained on; null if the run has none. */
  shards: Shards | null;
  /** What this process evaluates: the images of its own pieces, one of several ranks. */
  validation: NativeRows;
  test: NativeRows;
  /** What sets thresholds, on every rank alike. */
  calibration: NativeRows;
  dispose(): void;
}

/**
 * Errors: ERR_OOM; ERR_ARG for patience without validation images. One of several ranks holds the images of its own
 * shards, those of its share of the evaluations, and those that every rank computes alike.
 */
export function placeImages(loaded: LoadedDataset, config: TrainConfig, ranks: Ranks | null = null): RunImages {
  const rows = { ...trainingRows(loaded, config), test: allRows(loaded.test.count) };
  for (const phase of PHASES)
    if (config[phase].patience > 0 && rows.validation.length === 0)
      throw expected(
        '0 (there are no validation images to be patient with)',
        `${phase}.patience`,
        config[phase].patience,
      );
  if (config.shards !== null && config.shards > rows.train.length)
    throw expected(`at most ${rows.train.length} (one for each image that is trained on)`, 'shards', config.shards);
  const placed: NativeDataset[] = [];
  const place = ({ pixels, labels, shape }: ImageSet): NativeDataset => {
    placed.push(createDataset(pixels, labels, shape));
    return placed.at(-1)!;
  };
  const dispose = (): void => placed.forEach((dataset) => dataset.dispose());
  const calibrating = thresholdRows(rows.train, config);
  const shards = config.shards === null ? null : divide(rows.train, config.shards, ranks);
  try {
    const shared = { testSet: loaded.test, rows, dispose };
    if (shards === null || ranks === null) {
      const train = place(loaded.train);
      const rowsOf = (indices: Uint32Array): NativeRows => ({ dataset: train, indices });
      const test = { dataset: place(loaded.test), indices: rows.test };
      return { ...shared, train, shards, validation: rowsOf(rows.validation), test, calibration: rowsOf(calibrating) };
    }
    const { own, held } = withoutOthers(shards);
    const train = place(selectImages(loaded.train, held));
    const apart = (set: ImageSet, indices: Uint32Array): NativeRows => ({
      dataset: indices.length === 0 ? train : place(selectImages(set, indices)),
      indices: allRows(indices.length),
    });
    const size = evaluatedAtOnce(loaded.test.shape, config.evaluation.batch);
    return {
      ...shared,
      train,
      shards: own,
      validation: apart(loaded.train, pieceRows(rows.validation, size, ranks)),
      test: apart(loaded.test, pieceRows(rows.test, size, ranks)),
      calibration: apart(loaded.train, calibrating),
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** The same shards as rows of the images that they have together, which are `held`. */
function withoutOthers(shards: Shards): { own: Shards; held: Uint32Array } {
  let next = 0;
  const rows = shards.rows.map((of) => of.map(() => next++));
  return { own: { ...shards, rows }, held: joinRows(shards.rows) };
}

/** Leaves out the training images once native memory has them: a run needs them no more. */
export function releaseTraining(loaded: LoadedDataset): void {
  loaded.train = { ...loaded.train, pixels: new Uint8Array(0) };
}
