/** The images of a run in native memory, and the rows of them that each part of the work takes. */
import { expected } from '../../check';
import { splitValidation, type ImageSet, type LoadedDataset } from '../../data';
import { createDataset, type NativeDataset } from '../../native/dataset';
import type { TrainConfig } from '../config/config';
import { PHASES } from '../run/events';
import { allRows } from './order';

export interface RunImages {
  train: NativeDataset;
  test: NativeDataset;
  /** The test images on the host, and the names of the classes. */
  testSet: ImageSet;
  /** Rows of `train` (the first two) and of `test`. */
  rows: { train: Uint32Array; validation: Uint32Array; test: Uint32Array };
  dispose(): void;
}

/** Errors: ERR_OOM; ERR_ARG for patience without validation images. */
export function placeImages(loaded: LoadedDataset, config: TrainConfig): RunImages {
  const rows = { ...trainingRows(loaded, config), test: allRows(loaded.test.count) };
  for (const phase of PHASES)
    if (config[phase].patience > 0 && rows.validation.length === 0)
      throw expected(
        '0 (there are no validation images to be patient with)',
        `${phase}.patience`,
        config[phase].patience,
      );
  const place = ({ pixels, labels, shape }: ImageSet): NativeDataset => createDataset(pixels, labels, shape);
  const train = place(loaded.train);
  try {
    const test = place(loaded.test);
    const dispose = (): void => {
      train.dispose();
      test.dispose();
    };
    return { train, test, testSet: loaded.test, rows, dispose };
  } catch (error) {
    train.dispose();
    throw error;
  }
}

/** The validation images that the data set itself sets aside, or else a share of the training images. */
export function trainingRows(
  { train, validation }: LoadedDataset,
  config: TrainConfig,
): { train: Uint32Array; validation: Uint32Array } {
  if (validation === undefined) return splitValidation(train, config.dataset.validation, config.seed);
  const aside = new Set(validation);
  return { train: allRows(train.count).filter((row) => !aside.has(row)), validation };
}
