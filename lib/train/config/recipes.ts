// Recipes for networks of one time step: in two sizes for CIFAR (`budget`), and without numbers of epochs for
// `minutes`, which measures the machine and chooses them.
import { OneSpikeError } from '../../errors';
import { checkOneOf } from '../../check';
import { valueAt } from '../../check/schema';
import { mergeConfig, type PlainObject } from './merge';

/** The longest run that is planned to a time: a week. */
export const MOST_MINUTES = 10_080;

/** The sizes of a recipe: `cpu` is for two cores and an evening, `gpu` for one GPU and the highest accuracy. */
export const BUDGETS = ['cpu', 'gpu'] as const;
/** The size of a recipe. */
export type Budget = (typeof BUDGETS)[number];

/**
 * One time step: the spiking network after binary epochs is equal to the ANN. In a trial in PyTorch (vgg7, CIFAR-100)
 * its accuracy was 60.2 % without a spiking epoch; with five steps, after conversion and five spiking epochs, 59.7 %.
 */
const oneStep = {
  model: { timesteps: 1, norm: 'batch', hidden: [], dropout: 0 },
  ann: {
    batch: 256,
    optimizer: { learningRate: 0.4, nesterov: true, weightDecay: 5e-4 },
    schedule: { kind: 'triangular', peak: 0.2, final: 0 },
    labelSmoothing: 0.1,
  },
  binary: {
    epochs: 3,
    // A threshold is half of what its neuron sends, as in the plain binary phase.
    optimizer: { learningRate: 0.1, neuronLearningRate: 0.025, nesterov: true },
    labelSmoothing: 0.1,
  },
  snn: { epochs: 4, batch: 64, optimizer: { learningRate: 5e-4 } },
};

/** Long training, and images changed so much that no epoch sees one twice. */
const record = mergeConfig(oneStep, {
  ann: {
    epochs: 300,
    optimizer: { ema: 0.999 },
    schedule: { peak: 0.1 },
    augment: { border: 'reflect', trivial: true, cutout: 8, mixup: 0.2, cutmix: 1 },
  },
  binary: { epochs: 60, optimizer: { ema: 0.999 } },
  snn: { epochs: 60, batch: 128, optimizer: { ema: 0.999 } },
});

const distillation = { weight: 0.7, temperature: 3 };

/**
 * The binary activation is what costs accuracy: of vgg7 on CIFAR-100 it took 5.0 points in three epochs, and 2.8 in ten
 * with the ANN as teacher. Spiking epochs after these change less than the standard error (docs/RESULTS.md).
 */
const distilled = mergeConfig(oneStep, {
  binary: { schedule: { kind: 'triangular', peak: 0.2, final: 0 }, distillation },
  snn: { batch: 128, optimizer: { learningRate: 2e-4 }, labelSmoothing: 0.1, distillation },
});

/** At the rate of shallower networks vgg16 lost ten points in its second binary epoch (docs/RESULTS.md). */
const slower = { binary: { optimizer: { learningRate: 0.05, neuronLearningRate: 0.0125 } } };

function ofDepth(network: string): PlainObject {
  return network === 'vgg16' ? slower : {};
}

/** The activity that binary epochs aim at: without a target they leave 0.10 to 0.15 spikes per neuron. */
const activity = { target: 0.08, strength: 100 };

/** A target that is asked for without a strength is one that training aims at: spikes above it cost something. */
export function withCostOfTarget(under: PlainObject, asked: PlainObject): PlainObject {
  const aimed = (['binary', 'snn'] as const).filter((phase) => {
    const { target, strength } = (valueAt(asked, [phase, 'activity']) ?? {}) as Partial<typeof activity>;
    return target !== undefined && strength === undefined && !valueAt(under, [phase, 'activity', 'strength']);
  });
  const cost = { activity: { strength: activity.strength } };
  return aimed.reduce<PlainObject>((config, phase) => mergeConfig(config, { [phase]: cost }), under);
}

// vgg7 of twice its width had 71.1 % on validation images of CIFAR-100 after 20 epochs at this rate.
const annWithoutEpochs = { epochs: 0, optimizer: { learningRate: 0.25 } };
/** The augmentation for twenty epochs of a wide network, which would know the pictures of CIFAR by heart. */
const cifarAugment = { ann: { augment: { border: 'reflect', cutout: 8 } } };

/**
 * The recipe of a network that `minutes` scales on a data set: it says nothing of epochs. A network with a code has no
 * time steps whose spikes could cost something.
 */
export function withoutEpochs(network: string, dataset: string, coded: boolean): PlainObject {
  const costs = coded ? {} : { activity };
  return [
    ofDepth(network),
    { ann: annWithoutEpochs, binary: { epochs: 0, ...costs }, snn: { epochs: 0, ...costs } },
    dataset === 'cifar10' || dataset === 'cifar100' ? cifarAugment : {},
  ].reduce<PlainObject>(mergeConfig, distilled);
}

/** Epochs of the stages after the ANN on two cores. */
const cpuEpochs: Record<string, { binary: number; snn: number }> = {
  cifar10: { binary: 8, snn: 2 },
  cifar100: { binary: 10, snn: 3 },
};

/**
 * ANN epochs on two cores in 100 minutes on CIFAR-10 and 150 on CIFAR-100, reckoned from the multiply-adds of a network
 * and from vgg7, of which the ANN trains 190 images per second, and with a teacher 150 as binary and 250 as spiking
 * network. Networks of more than 200 million multiply-adds have half their width: fewer than ten epochs of the whole
 * width would fit.
 */
const cpuSizes: Record<string, { width: number; epochs: Record<string, number> }> = {
  vgg7: { width: 1, epochs: { cifar10: 11, cifar100: 20 } },
  vgg9: { width: 0.5, epochs: { cifar10: 32, cifar100: 51 } },
  vgg11: { width: 0.5, epochs: { cifar10: 18, cifar100: 30 } },
  vgg16: { width: 0.5, epochs: { cifar10: 26, cifar100: 41 } },
};

/** Whether a preset has recipes by budget on a data set. */
export function hasBudgets(name: string, dataset: string): boolean {
  return cpuSizes[name]?.epochs[dataset] !== undefined;
}

/**
 * What a budget changes of a preset on a data set. Errors: ERR_ARG for an unknown budget, and where there are no
 * budgets.
 */
export function budgetRecipe(name: string, dataset: string, budget: unknown): PlainObject {
  const chosen = checkOneOf(budget, 'budget', BUDGETS);
  const epochs = cpuSizes[name]?.epochs[dataset];
  if (epochs === undefined) {
    const names = Object.keys(cpuSizes).join(', ');
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected no budget for ${name} on ${dataset} but received '${chosen}': there are budgets of ${names} on cifar10 and ` +
        'cifar100; minutes fits a run into a time on any data set',
    );
  }
  if (chosen === 'gpu') return record;
  const { binary, snn } = cpuEpochs[dataset]!;
  return mergeConfig(mergeConfig(distilled, ofDepth(name)), {
    model: { width: cpuSizes[name]!.width },
    ann: { epochs },
    binary: { epochs: binary },
    snn: { epochs: snn },
  });
}
