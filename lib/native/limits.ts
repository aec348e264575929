// The range, both ends included, of every number that describes a network or a call on one: the table of
// native/core/limits.h, which `info()` of the addon reports. It stands here as well because a description is checked
// without loading the addon, with messages that name the place of the fault; a test compares the two.
export interface Limit {
  readonly min: number;
  readonly max: number;
}

const LARGEST_FLOAT = (2 - 2 ** -23) * 2 ** 127;
/** Above 0: the smallest number that float32 holds with all its digits. */
const SMALLEST_FLOAT = 2 ** -126;
const LARGEST_FACTOR = 1e6;
const LARGEST_COUNT = 2 ** 31 - 1;

export const LIMITS = {
  /** T. A spike time is one byte, and T + 1 ('never' of the output layer) must fit as well. */
  timesteps: { min: 1, max: 254 },
  /** T with the radix encoder, which sends the bits of a byte. */
  radixTimesteps: { min: 1, max: 8 },
  /** Channels, height and width of an image; height and width of any map. */
  side: { min: 1, max: 65535 },
  layers: { min: 1, max: 1024 },
  /** Channels of a convolution, units of a linear layer. */
  out: { min: 1, max: 65535 },
  kernel: { min: 1, max: 255 },
  stride: { min: 1, max: 255 },
  padding: { min: 0, max: 255 },
  /** Side of the window of a pool, and of pools that follow each other together. */
  pool: { min: 1, max: 64 },
  leak: { min: 0, max: 1 },
  threshold: { min: SMALLEST_FLOAT, max: LARGEST_FLOAT },
  /** t_c and t_d of a layer under the code ttfs, which bound each other as well. */
  timeConstant: { min: 0.25, max: 1000 },
  delay: { min: -79999.5, max: 80000 },
  /** t_w of the code ttfs: a level of its t_w + 1 steps is a byte. */
  window: { min: 0, max: 253 },
  /** Of the code radix. */
  bits: { min: 1, max: 8 },
  /** Of a weight under the code radix. */
  weightBits: { min: 2, max: 16 },
  /** The step of a layer under the code radix. */
  step: { min: Math.fround(1e-6), max: 2 ** 20 },
  /** Of the code one-spike-phase: its logarithm is 1 / t_c. */
  base: { min: 1.001, max: 54 },
  period: { min: 1, max: 254 },
  /** The exponent of a number that the time of a spike stands for: in 32 bits none is 0 or infinite. */
  exponent: { min: -80, max: 80 },
  /** A number of kappa or theta, or a scale of genes. */
  schedule: { min: 2 ** -20, max: 2 ** 20 },
  /** Of genetic encoding, where a network has any. */
  genes: { min: 1, max: 4096 },
  /** Up to the largest float below 1. */
  dropout: { min: 0, max: 1 - 2 ** -24 },
  mean: { min: -LARGEST_FLOAT, max: LARGEST_FLOAT },
  std: { min: SMALLEST_FLOAT, max: LARGEST_FLOAT },
  alpha: { min: -LARGEST_FACTOR, max: LARGEST_FACTOR },
  beta: { min: -LARGEST_FACTOR, max: LARGEST_FACTOR },
  gamma: { min: SMALLEST_FLOAT, max: LARGEST_FACTOR },
  surrogateScale: { min: SMALLEST_FLOAT, max: LARGEST_FACTOR },
  /** U(0) / V of hidden neurons, below 1: no neuron fires of itself. */
  initialPotential: { min: 0, max: 1 - 2 ** -24 },
  lo: { min: -LARGEST_FACTOR, max: LARGEST_FACTOR },
  hi: { min: -LARGEST_FACTOR, max: LARGEST_FACTOR },
  /**
   * Elements of an image, of the weights of a layer with channels in sixteens, and of a map of one image over all time
   * steps.
   */
  elements: { min: 1, max: LARGEST_COUNT },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER },
  threads: { min: 1, max: 1024 },
  /** Number of a CUDA device. */
  device: { min: 0, max: 1023 },
  /** Images of one call. */
  images: { min: 1, max: LARGEST_COUNT },
  /** Training steps of one call. */
  steps: { min: 1, max: 1024 },
  /** Shards of a batch. */
  shards: { min: 1, max: 1024 },
  /** Border of the random crop. */
  crop: { min: 0, max: 65535 },
  /** Side of the square that is cut out. */
  cutout: { min: 0, max: 65535 },
  /** Alpha of Mixup and CutMix. */
  mix: { min: 0, max: 100 },
  /** Of an optimiser: a learning rate, weight decay, epsilon, the norm that gradients are clipped to. */
  rate: { min: 0, max: LARGEST_FLOAT },
  /** Its momentum, beta1 and beta2. */
  decay: { min: 0, max: 1 - 2 ** -24 },
  /** The decay of the average of the parameters; 0 for none. */
  ema: { min: 0, max: 1 - 2 ** -24 },
  /** The share of a label that all classes have alike. */
  labelSmoothing: { min: 0, max: 1 - 2 ** -24 },
  /** What a conversion takes of weighted inputs or activations, and the factor of the thresholds from them. */
  percentile: { min: 0, max: 100 },
  calibrationScale: { min: 1e-6, max: 1e6 },
  /** The weight of the loss after one time step. */
  share: { min: 0, max: 1 },
  /** The weight of a teacher in the loss. */
  distillation: { min: 0, max: 1 },
  /** The temperature that logits are divided by for a distillation. */
  temperature: { min: 0.01, max: 1000 },
  /** The probability with which a layer sends its code or its spikes, and else numbers. */
  quantised: { min: 0, max: 1 },
  /** The factor of a penalty on time constants and delays, or on sending. */
  penalty: { min: 0, max: LARGEST_FACTOR },
  /** The activity that training aims at, and the running mean that is compared with it. */
  activityTarget: { min: 0, max: 1 },
  activityStrength: { min: 0, max: LARGEST_FACTOR },
  /** Images whose statistics normalise them together. */
  normGroup: { min: 1, max: 65535 },
  /** Steps of a simulated code: in all, or of the window of a layer. */
  simulatedSteps: { min: 1, max: 65535 },
  /** The time constant of such a window. */
  simulatedTimeConstant: { min: 0.25, max: 1000 },
  /** Steps of fitting genes to weights. */
  fitSteps: { min: 1, max: 1_000_000 },
  /** Seconds that one of several ranks may be silent. */
  deadline: { min: 0.1, max: 86_400 },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

/** Whether a number lies within its limit; false for what is not a number. */
export function within(name: LimitName, value: number): boolean {
  const { min, max } = LIMITS[name];
  return value >= min && value <= max;
}

/** The accepted numbers in words: `a number > 0 and at most 1000000`. */
export function numberText(name: LimitName): string {
  const { min, max }: Limit = LIMITS[name];
  if (max < 1) return `a number in [${min}, 1)`;
  if (min === 0 && max === 1) return 'a number in [0, 1]';
  const bounded = max < LARGEST_FLOAT;
  if (min === SMALLEST_FLOAT) return bounded ? `a number > 0 and at most ${max}` : 'a number > 0 that float32 holds';
  if (bounded) return `a number from ${min} to ${max}`;
  return `a finite number${min === 0 ? ' >= 0' : ''} that float32 holds`;
}

/** The accepted integers in words: `an integer from 1 to 254`. */
export function integerText(name: LimitName): string {
  return `an integer from ${LIMITS[name].min} to ${LIMITS[name].max}`;
}
