// Images that a program hands to `train` in the place of a data set's name.
import { defined, isObject } from '../../check';
import type { ProgramDataset } from '../../data';
import type { DeepPartial, TrainConfig, TrainConfigInput } from './config';

/** What `train` takes: a configuration, whose `dataset` may be the images of a program. */
export type TrainInput =
  | string
  | (Omit<DeepPartial<TrainConfig>, 'dataset'> & { dataset?: DeepPartial<TrainConfig>['dataset'] | ProgramDataset });

/** The configuration without the images, which run.json does not hold, and the images if there are any. */
export function withoutImages(input: TrainInput): { config: TrainConfigInput; images?: ProgramDataset } {
  if (typeof input === 'string' || !isObject(input)) return { config: input };
  const { dataset, ...rest } = input;
  if (!holdsImages(dataset)) return { config: input as TrainConfigInput };
  const { validation, trainCount, testCount } = dataset;
  const share = typeof validation === 'number' ? validation : undefined;
  const named = { name: 'program' as const, ...defined({ validation: share, trainCount, testCount }) };
  return { config: { ...rest, dataset: named }, images: dataset };
}

function holdsImages(dataset: unknown): dataset is ProgramDataset {
  return isObject(dataset) && ('train' in dataset || 'test' in dataset);
}
