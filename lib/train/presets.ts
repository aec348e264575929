/**
 * Every number that training starts from, in one place. A configuration is the sum of four layers, later ones winning:
 * `base`, the data set's, the network's, and the pair's own.
 */
import { checkOneOf } from '../check';
import { OneSpikeError } from '../errors';
import { datasetNames, type DatasetName } from '../data';
import { mergeConfig, type PlainObject } from './merge';
import { suggestion } from './suggest';

export const presetNames = ['vgg6', 'vgg9', 'vgg11', 'vgg16'] as const;
export type PresetName = (typeof presetNames)[number];

export const defaultPreset: PresetName = 'vgg6';
export const defaultDataset: DatasetName = 'shapes';

const base = {
  model: {
    timesteps: 5,
    width: 1,
    hidden: [4096, 4096],
    dropout: 0,
    bias: false,
    alpha: 1,
    beta: 1,
    gamma: 0.3,
    kappa: 1,
    surrogate: 'triangle',
    encoder: 'hybrid',
    lo: 0,
    hi: 1,
  },
  dataset: { validation: 0.1 },
  seed: 1,
  backend: 'auto',
  threads: 0,
  ann: {
    epochs: 20,
    batch: 64,
    optimizer: {
      kind: 'sgd',
      learningRate: 0.02,
      momentum: 0.9,
      weightDecay: 5e-4,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      amsgrad: false,
      clipNorm: 5,
    },
    schedule: { kind: 'cosine', warmup: 1, milestones: [0.6, 0.8, 0.9], factor: 0.1, final: 0.01 },
    augment: { padding: 0, flip: false },
  },
  convert: { enabled: true, percentile: 99.7, scale: 1, images: 256 },
  snn: {
    epochs: 20,
    batch: 64,
    optimizer: {
      kind: 'adam',
      learningRate: 1e-4,
      momentum: 0.9,
      weightDecay: 0,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      amsgrad: false,
      clipNorm: 5,
    },
    schedule: { kind: 'cosine', warmup: 0, milestones: [0.6, 0.8, 0.9], factor: 0.1, final: 0.01 },
    augment: { padding: 0, flip: false },
  },
  evaluation: { batch: 100 },
  energy: { images: 500 },
  checkpoint: { seconds: 60 },
};

const cifar = {
  ann: { epochs: 100, augment: { padding: 4, flip: true } },
  snn: { epochs: 60, augment: { padding: 4, flip: true } },
  convert: { images: 512 },
  model: { dropout: 0.1 },
};

const byDataset: Record<DatasetName, PlainObject> = {
  // Small enough for a first run of about three minutes on two cores.
  shapes: { model: { width: 0.25, hidden: [128, 128] }, ann: { epochs: 10, batch: 32 }, snn: { epochs: 10, batch: 32, optimizer: { learningRate: 1e-3 } } },
  cifar10: cifar,
  cifar100: cifar,
  mnist: { model: { width: 0.25, hidden: [128, 128] }, ann: { epochs: 5 }, snn: { epochs: 3 } },
  folder: { model: { dropout: 0.1 }, ann: { epochs: 30, augment: { padding: 4, flip: true } }, snn: { epochs: 20, augment: { padding: 4, flip: true } } },
};

const byNetwork: Record<PresetName, PlainObject> = { vgg6: {}, vgg9: {}, vgg11: {}, vgg16: {} };

const byPair: Record<string, PlainObject> = {};

/** The complete configuration of a preset on a data set, as `train` takes it. Errors: ERR_ARG for an unknown name. */
export function presetConfig(name: string, dataset: string = defaultDataset): PlainObject {
  if (!(presetNames as readonly string[]).includes(name)) {
    throw new OneSpikeError('ERR_ARG', `Expected a preset (${presetNames.join(', ')}) but received '${name}'.${suggestion(name, presetNames)}`);
  }
  checkOneOf(dataset, 'dataset.name', datasetNames);
  const named = { preset: name, model: { name }, dataset: { name: dataset } };
  // The names come first, because the result is printed for people.
  return [base, byDataset[dataset as DatasetName], byNetwork[name as PresetName], byPair[`${name}/${dataset}`] ?? {}].reduce<PlainObject>(mergeConfig, named);
}
