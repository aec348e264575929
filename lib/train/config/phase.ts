// What a configuration says of a stage of training, `ann`, `binary` or `snn`.
import {
  aboveZero,
  flag,
  integerOf,
  listOf,
  notNegative,
  numberOf,
  objectOf,
  oneOf,
  share,
  text,
} from '../../check/schema';
import { limitedInteger, limitedNumber } from '../../native/limited';
import { BORDERS } from '../../model/network/augment';

/**
 * Options that change nothing unless they are given: what they are in a preset, and in a run of a version that did not
 * have them.
 */
export const plainPhase = {
  accumulate: 1,
  patience: 0,
  labelSmoothing: 0,
  distillation: { weight: 0, temperature: 4 },
};

/** The same of what `binary` and `snn` have, and of what `snn` alone has. */
export const plainActivity = { target: 0.1, strength: 0 };
export const plainSpiking = { activity: plainActivity, incremental: [], relaxation: 0 };

/** The same within `augment`, `optimizer` and `schedule`. */
export const plainAugment = { border: 'zeros', trivial: false, cutout: 0, mixup: 0, cutmix: 0 } as const;
export const plainRule = { nesterov: false, ema: 0 };
export const plainSchedule = { peak: 0.25 };

// Beyond 100 no network here has learnt anything, and many typing errors are there: 1e3 for 1e-3.
const MOST_RATE = 100;
const learningRate = numberOf(
  `a number above 0, at most ${MOST_RATE}`,
  (value) => Math.fround(value) > 0 && value <= MOST_RATE,
);

const optimizer = objectOf({
  kind: oneOf(['sgd', 'adam', 'adamw']),
  learningRate,
  neuronLearningRate: numberOf(
    `a number from 0 to ${MOST_RATE}`,
    (value) => value >= 0 && value <= MOST_RATE,
  ).optional(),
  momentum: limitedNumber('decay'),
  nesterov: flag.default(plainRule.nesterov),
  weightDecay: limitedNumber('rate'),
  beta1: limitedNumber('decay'),
  beta2: limitedNumber('decay'),
  epsilon: aboveZero,
  amsgrad: flag,
  clipNorm: limitedNumber('rate'),
  ema: limitedNumber('ema').default(plainRule.ema),
});

const schedule = objectOf({
  kind: oneOf(['constant', 'step', 'cosine', 'triangular']),
  warmup: notNegative,
  milestones: listOf(share, 'a list of numbers from 0 to 1'),
  // Rates are given at their highest: steps reduce them.
  factor: numberOf('a number above 0, at most 1', (value) => Math.fround(value) > 0 && value <= 1),
  final: share,
  peak: share.default(plainSchedule.peak),
});

const augment = objectOf({
  padding: limitedInteger('crop'),
  border: oneOf(BORDERS).default(plainAugment.border),
  flip: flag,
  trivial: flag.default(plainAugment.trivial),
  cutout: limitedInteger('cutout').default(plainAugment.cutout),
  mixup: limitedNumber('mix').default(plainAugment.mixup),
  cutmix: limitedNumber('mix').default(plainAugment.cutmix),
});

// The teacher of `binary` and `snn` is the best ANN of the run unless a model file or a run is named.
const distillation = objectOf({
  weight: limitedNumber('distillation'),
  temperature: limitedNumber('temperature').default(plainPhase.distillation.temperature),
  teacher: text.optional(),
}).default(plainPhase.distillation);

const phaseKeys = {
  epochs: integerOf(0),
  batch: integerOf(1),
  accumulate: integerOf(1, 65536).default(plainPhase.accumulate),
  patience: integerOf(0).default(plainPhase.patience),
  optimizer,
  schedule,
  augment,
  labelSmoothing: limitedNumber('labelSmoothing').default(plainPhase.labelSmoothing),
  distillation,
};

const activity = objectOf({
  target: limitedNumber('activityTarget'),
  strength: limitedNumber('activityStrength'),
}).default(plainActivity);

/** The schema of the stage of the ANN. */
export const annPhase = objectOf(phaseKeys);
/** The schema of the stage of binary activations. */
export const binaryPhase = objectOf({
  ...phaseKeys,
  activity,
  threshold: limitedNumber('threshold'),
});
/** The schema of the stage of the spiking network. */
export const snnPhase = objectOf({
  ...phaseKeys,
  activity,
  incremental: listOf(
    objectOf({ timesteps: limitedInteger('timesteps'), epochs: integerOf(1) }),
    'a list of { timesteps, epochs }',
  ).default(plainSpiking.incremental),
  timeWeights: listOf(limitedNumber('share'), 'a list of numbers').optional(),
  // Epochs in which layers send numbers ever more rarely, and spikes ever more often.
  relaxation: integerOf(0).default(plainSpiking.relaxation),
  // Of a network with a code.
  code: objectOf({
    // Epochs in which layers send their ReLU ever more rarely, and their code ever more often.
    relaxation: integerOf(0).default(0),
    // The first epoch, from 0, that trains time constants, delays and steps.
    parametersFrom: integerOf(0).default(0),
    kernelPenalty: limitedNumber('penalty').default(0),
    spikePenalty: limitedNumber('penalty').default(0),
  }).optional(),
});
