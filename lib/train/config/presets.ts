// Every number that training starts from. A configuration is the sum of four layers, later ones winning: `base`, the
// data set's (the recipe of its source), the network's, and the pair's own; a recipe of `recipes.ts` lies on top where
// a budget or a time is asked for.
import { checkOneOf } from '../../check';
import { valueAt } from '../../check/schema';
import { sourceNames, sources, type DatasetName, type SourceName } from '../../data';
import type { Code } from '../../model/code/code';
import { mergeConfig, type PlainObject } from './merge';
import type { VggName } from '../../model/vgg';
import { plainStart } from '../start/start';
import { plainActivity, plainAugment, plainPhase, plainRule, plainSchedule, plainSpiking } from './phase';
import { budgetRecipe, withoutEpochs, type Budget } from './recipes';

/** The names of the presets: VGG networks, and some of them with a code or with genes. */
export const presetNames = [
  'vgg6',
  'vgg7',
  'vgg9',
  'vgg11',
  'vgg16',
  'vgg7-ttfs',
  'vgg16-ttfs',
  'vgg7-radix',
  'vgg16-radix',
  'vgg7-genes',
  'vgg16-genes',
] as const;
/** The name of a preset. */
export type PresetName = (typeof presetNames)[number];

export const defaultPreset: PresetName = 'vgg6';
export const defaultDataset: DatasetName = 'shapes';
/** The preset where a budget or a time is asked for and no preset. */
export const scaledPreset: PresetName = 'vgg7';

/** What the phases have in common. */
const rule = {
  momentum: 0.9,
  ...plainRule,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  amsgrad: false,
  clipNorm: 5,
};
const sgd = { kind: 'sgd' as const, learningRate: 0.02, ...rule, weightDecay: 5e-4 };
const cosine = (warmup: number) => ({
  kind: 'cosine' as const,
  warmup,
  milestones: [0.6, 0.8, 0.9],
  factor: 0.1,
  final: 0.01,
  ...plainSchedule,
});
const plain = { augment: { padding: 0, flip: false, ...plainAugment }, ...plainPhase };

/** The phase of binary activations, which no preset begins with: a few epochs after those of the ANN are enough. */
export const withoutBinary = {
  epochs: 0,
  batch: 64,
  // The first threshold of every hidden layer: a normalised input is above it for a quarter of the neurons.
  threshold: 0.75,
  // A threshold is half of what its neuron sends: at a quarter of the rate that moves as much as a step of the full
  // rate.
  optimizer: { ...sgd, neuronLearningRate: 0.005 },
  schedule: cosine(0.5),
  ...plain,
  activity: plainActivity,
};

const base = {
  model: {
    timesteps: 5,
    width: 1,
    hidden: [4096, 4096],
    dropout: 0,
    bias: false,
    alpha: 1,
    // Measured on validation images: on shapes, four epochs after the same conversion reach 86.7 % with 0 and 82.8 %
    // with 1.
    beta: 0,
    gamma: 0.3,
    surrogateScale: 1,
    surrogate: 'triangle',
    encoder: 'hybrid',
    lo: 0,
    hi: 1,
  },
  dataset: { validation: 0.1 },
  seed: 1,
  backend: 'auto',
  threads: 0,
  start: plainStart,
  ann: { epochs: 20, batch: 64, optimizer: sgd, schedule: cosine(1), ...plain },
  binary: withoutBinary,
  // Half the percentile lets neurons fire earlier: on shapes the converted network scores 52 % instead of 37 %.
  convert: { enabled: true, percentile: 99.7, scale: 0.5, images: 256 },
  snn: {
    epochs: 20,
    batch: 64,
    optimizer: { kind: 'adam', learningRate: 1e-3, ...rule },
    schedule: cosine(0),
    ...plain,
    ...plainSpiking,
  },
  evaluation: { batch: 100 },
  energy: { images: 10000 },
  checkpoint: { seconds: 60 },
};

/**
 * Networks with genes: so many that the convolutions have less than half as many trainable numbers, 492 thousand
 * instead of 1.11 million in vgg7 and 4.5 instead of 14.7 million in vgg16. Images of shapes want a quarter of the
 * width.
 */
function byGenes(network: VggName, dataset: string): PlainObject {
  const count = network === 'vgg16' ? 512 : 192;
  const genes = { count: dataset === 'shapes' ? count / 4 : count };
  return { model: { norm: 'batch', genes }, ann: { optimizer: { learningRate: 0.1 } } };
}

const codes: Record<'ttfs' | 'radix', Code> = { ttfs: { kind: 'ttfs', window: 8 }, radix: { kind: 'radix', bits: 4 } };

/**
 * Networks with a code: normalised, with pools that keep one spike, and converted at the percentile itself, which
 * becomes the largest number that a neuron can send. 512 and 512 hidden units are those of the network that the authors
 * of `ttfs` train.
 */
const byCode = (network: VggName, code: 'ttfs' | 'radix'): PlainObject[] => [
  {
    model: { code: { ...codes[code] }, norm: 'batch', pool: 'max' },
    ann: { optimizer: { learningRate: 0.1 } },
    convert: { scale: 1 },
    snn: { optimizer: { learningRate: 1e-3 } },
  },
  network === 'vgg16' ? { model: { hidden: [512, 512] } } : {},
];

// Deeper networks without normalisation want smaller steps.
const byNetwork: Record<VggName, PlainObject> = {
  vgg6: {},
  // Batch normalisation makes the higher rate possible.
  vgg7: { model: { norm: 'batch', hidden: [] }, ann: { optimizer: { learningRate: 0.1 } } },
  vgg9: { snn: { optimizer: { learningRate: 5e-4 } } },
  vgg11: { ann: { optimizer: { learningRate: 0.01 } }, snn: { optimizer: { learningRate: 5e-4 } } },
  vgg16: { ann: { optimizer: { learningRate: 0.01 } }, snn: { optimizer: { learningRate: 3e-4 } } },
};

// Little more than an hour on two cores; docs/RESULTS.md holds the run.
const hour = { model: { hidden: [512], dropout: 0 }, ann: { epochs: 10 }, snn: { epochs: 10 } };

const byPair: Record<string, PlainObject> = {
  'vgg6/cifar10': hour,
  'vgg6/cifar100': hour,
  // At a quarter of its width it learns slowly: 70.7 % after four epochs at 6e-4, 67.2 % at 3e-4, 54.7 % at 1.5e-3.
  'vgg16/shapes': { snn: { epochs: 40, optimizer: { learningRate: 6e-4 } } },
};

/**
 * Recipes for a whole run of the network of a preset itself: they say nothing of one with other layers, a code or
 * genes, nor of one that begins with a model. Batch normalisation brings the ANN from 98.5 to 100 %, and binary
 * epochs the network to the spiking ones with 98.6 % instead of 35 %. In five steps the same recipe has 99.6 % with
 * four times as many spikes, in one 99.9 %.
 */
const byWholeRun: Record<string, PlainObject> = {
  'vgg6/shapes': {
    model: { norm: 'batch', timesteps: 1 },
    ann: { optimizer: { learningRate: 0.1, nesterov: true }, labelSmoothing: 0.1 },
    binary: { epochs: 6, optimizer: { learningRate: 0.05 }, distillation: { weight: 0.5 } },
    snn: { epochs: 10, distillation: { weight: 0.5 } },
  },
};

/**
 * Spiking training that no conversion precedes starts with thresholds that the inputs of deep layers do not reach, and
 * the default surrogate has no gradient there.
 */
export const withoutConversion: PlainObject = { model: { surrogate: 'arctan' } };

/** The VGG network of a preset, and what it has beside that: a code, or genes. */
export function partsOf(name: PresetName): { network: VggName; variant: 'ttfs' | 'radix' | 'genes' | undefined } {
  const [network, variant] = name.split('-') as [VggName, ('ttfs' | 'radix' | 'genes')?];
  return { network, variant };
}

/**
 * Weights that follow from genes move by three factors at once, and so learn at smaller rates: after four epochs on
 * 15,000 images of CIFAR-10 vgg7 had 59.7 % on validation images at a rate of 0.1, and with genes 61.2 % at 0.05,
 * 56.3 % at 0.1 and 18.7 % at 0.4.
 */
const GENE_RATE = 0.3;

/** A recipe with the rates of a network with genes in place of those of a dense one. */
const forGenes = (config: PlainObject): PlainObject => withRates(config, GENE_RATE);

/** A configuration of a network with genes with the rates at which a dense network learns as well. */
export const ratesWithoutGenes = (config: PlainObject): PlainObject => withRates(config, 1 / GENE_RATE);

function withRates(config: PlainObject, factor: number): PlainObject {
  const rates = (['ann', 'binary'] as const).map((phase) => {
    const learningRate = factor * (valueAt(config, [phase, 'optimizer', 'learningRate']) as number);
    return [phase, { optimizer: { learningRate: Number(learningRate.toPrecision(6)) } }];
  });
  return mergeConfig(config, Object.fromEntries(rates));
}

function variantParts({ network, variant }: ReturnType<typeof partsOf>, dataset: string): PlainObject[] {
  if (variant === undefined) return [];
  return variant === 'genes' ? [byGenes(network, dataset)] : byCode(network, variant);
}

/**
 * Returns the complete configuration of a preset on a data set, as `train` accepts it, or of its recipe for a budget.
 * `whole` says that the network is the preset's and trained from its start through all phases, `genes` that it is given
 * genes, which a preset may have by itself.
 * Errors: ERR_ARG for an unknown name, and for a budget where the preset has none.
 */
export function presetConfig(
  name: string,
  dataset: string = defaultDataset,
  budget?: Budget,
  { whole = true, genes = false } = {},
): Record<string, unknown> {
  checkNames(name, dataset);
  const recipe = whole ? (byWholeRun[`${name}/${dataset}`] ?? {}) : {};
  if (budget === undefined) return sumOf(name, dataset, { preset: name }, recipe, genes);
  return sumOf(name, dataset, { preset: name, budget }, budgetRecipe(name, dataset, budget), genes);
}

/**
 * The configuration of a preset before `minutes` has chosen its width and its epochs, which are 0 until then. `coded`
 * and `genes` say that the network is given a code, and genes.
 */
export function unscaledConfig(
  name: string,
  dataset: string,
  { coded, genes }: { coded: boolean; genes: boolean },
): Record<string, unknown> {
  checkNames(name, dataset);
  const { network, variant } = partsOf(name as PresetName);
  const recipe = withoutEpochs(network, dataset, coded || (variant !== undefined && variant in codes));
  const config = sumOf(name, dataset, { preset: name }, recipe, genes);
  const { width: _width, ...model } = config.model as PlainObject;
  return { ...config, model };
}

function checkNames(name: string, dataset: string): void {
  checkOneOf(name, 'preset', presetNames);
  checkOneOf(dataset, 'dataset.name', sourceNames);
}

function sumOf(name: string, dataset: string, asked: PlainObject, recipe: PlainObject, genes: boolean): PlainObject {
  const parts = partsOf(name as PresetName);
  const named = { ...asked, model: { name }, dataset: { name: dataset } };
  // The names come first, because the result is printed for people.
  const config = [
    base,
    sources[dataset as SourceName].recipe,
    byNetwork[parts.network],
    ...variantParts(parts, dataset),
    byPair[`${name}/${dataset}`] ?? {},
    recipe,
  ].reduce<PlainObject>(mergeConfig, named);
  const suited = genes || parts.variant === 'genes' ? forGenes(config) : config;
  // Binary epochs see images as those of the ANN before them do.
  const { batch, augment } = suited.ann as PlainObject;
  // A copy: whoever changes a list in it changes no preset.
  return structuredClone(mergeConfig(suited, { binary: { batch, augment } }));
}

/** The recipes that were run to the end; docs/RESULTS.md has their results. */
const ran: readonly string[] = ['vgg6/shapes', 'vgg9/shapes', 'vgg6/cifar10', 'vgg7/cifar10/cpu'];

/** Whether the recipe of a preset on a data set was run to the end, so that its results are known. */
export function wasRun(name: string, dataset: string, budget?: Budget): boolean {
  return ran.includes([name, dataset, ...(budget === undefined ? [] : [budget])].join('/'));
}
