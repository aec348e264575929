// What a network is, as plain JSON: the description people write, and its resolved form with every default filled in.
import { z } from 'zod';

import { expected } from '../check';
import { flag, listOf, networkName, objectOf, oneOf, parse } from '../check/schema';
import { integerText, LIMITS, within } from '../native/limits';
import { checkCode, codeSchema, resolveTtfs, type Code, type TtfsNumbers } from './code/code';
import { limitedInteger, limitedNumber } from './limited';
import { isPool } from './layer';
import { layerShapes } from './shapes';
import { checkSizes } from './sizes';

export { layerShapes } from './shapes';
export type { LayerShape } from './shapes';

/** The type of an entry of the layer list. */
export type LayerType = 'conv' | 'avgpool' | 'maxpool' | 'linear';
/** The name of a surrogate gradient (docs/MATHEMATICS.md, "Surrogate gradients"). */
export type Surrogate = (typeof SURROGATES)[number];
/** The name of an input encoder (docs/MATHEMATICS.md, "Input encodings"). */
export type Encoder = (typeof ENCODERS)[number];

/** The normalisation of a layer's weighted input (docs/MATHEMATICS.md, "Batch normalisation"). */
export type Norm = (typeof NORMS)[number];

/** One entry of the layer list, as a person writes it. Fields that do not apply to a type must be absent or neutral. */
export interface LayerDescription {
  /** The type of the layer. */
  type: LayerType;
  /** The number of channels of a convolution, or of units of a linear layer. */
  out?: number;
  /** The side of the square kernel of a convolution (3 by default), or of the window of a pool (2), which is its stride. */
  kernel?: number;
  /** The stride of a convolution; 1 by default. */
  stride?: number;
  /** The zero padding on each side of a convolution; 1 by default, whatever the kernel. */
  padding?: number;
  /** Whether the layer has biases; false by default. */
  bias?: boolean;
  /** The normalisation of the weighted input of a hidden layer; 'none' by default. */
  norm?: Norm;
  /** Marks the last layer, which is linear, integrates with leak and never resets. */
  output?: boolean;
  /** The initial leak in [0, 1]; 0.9 by default. Absent under a code. */
  leak?: number;
  /** The initial threshold, above 0; 1 by default. Absent under a code. */
  threshold?: number;
  /** The initial time constant of a hidden layer under the code `ttfs`, from 0.25 to 1000; 2 by default. */
  timeConstant?: number;
  /** The initial delay of a hidden layer under the code `ttfs`; 0 by default. */
  delay?: number;
  /** The rate in [0, 1) at which spikes of this layer are dropped in training; 0 by default. */
  dropout?: number;
}

/** The description that `Network.create` accepts. Only `input`, `timesteps` and `layers` are required. */
export interface NetworkDescription {
  /** The name of the network; 'custom' by default. */
  name?: string;
  /** The channels, height and width of an image. */
  input: [number, number, number];
  /** T, the number of time steps, from 1 to 254. A network with a code has none: the number is of no effect there. */
  timesteps: number;
  /** The layers from input to output. */
  layers: LayerDescription[];
  /** The mean of p / 255 per channel; that of CIFAR-10 for three channels, 0.5 otherwise. */
  mean?: number[];
  /** The standard deviation of p / 255 per channel; that of CIFAR-10 for three channels, 0.5 otherwise. */
  std?: number[];
  /** The weight of the membrane term of the logit; 1 by default. */
  alpha?: number;
  /** The weight of the spike-time term of the logit; 1 by default. */
  beta?: number;
  /** The height of the surrogate gradient; 0.3 by default. */
  gamma?: number;
  /** The decay or width of the surrogates that have one; 1 by default. */
  surrogateScale?: number;
  /** The surrogate gradient; 'triangle' by default. */
  surrogate?: Surrogate;
  /**
   * Whether every weighted layer has schedules: trainable weights of what arrives at each step, `layers.I.kappa`, and
   * trainable factors of its threshold, `layers.I.theta`, all 1 at first; false by default.
   */
  schedules?: boolean;
  /**
   * The code by which neurons send numbers, layer after layer, in place of leaky integrate-and-fire in time steps. With one,
   * `alpha`, `beta`, `gamma` and the surrogate are of no effect, and `mean` and `std` neither under `radix`.
   */
  code?: Code;
  /** The input encoder; 'hybrid' by default, and nothing else under a code, which has an input of its own. */
  encoder?: Encoder;
  /** The intensity that is coded as the last step; 0 by default. */
  lo?: number;
  /** The intensity that is coded as the first step; 1 by default. */
  hi?: number;
  /** The number of consecutive images that a training step of the ANN normalises together; 64 by default. */
  normGroup?: number;
}

/** The description of a network with a code, which needs no number of time steps. */
export type CodedNetworkDescription = Omit<NetworkDescription, 'timesteps' | 'code'> & {
  code: Code;
  timesteps?: number;
};

/** The fields of a layer that depend on whether the network has a code, and which. */
type NeuronKey = 'leak' | 'threshold' | 'timeConstant' | 'delay';

/** A layer with every field present that applies to the network. */
export type ResolvedLayer = Required<Omit<LayerDescription, NeuronKey>> & Pick<LayerDescription, NeuronKey>;

/**
 * A description with every field present; `code` where the network has one. It is a valid description itself and resolves
 * to an equal value.
 */
export type ResolvedNetwork = Omit<Required<NetworkDescription>, 'layers' | 'code'> & {
  layers: ResolvedLayer[];
  code?: Code;
};

/** The surrogate gradients, as the addon reports them too. */
export const SURROGATES = ['triangle', 'exponential', 'rectangular', 'arctan', 'fast-sigmoid'] as const;
/** The input encoders, as the addon reports them too. */
export const ENCODERS = ['hybrid', 'direct', 'rate', 'ttfs', 'phase', 'burst', 'radix'] as const;
/** The normalisations of a layer. */
export const NORMS = ['none', 'batch'] as const;

const CIFAR10_MEAN = [0.4914, 0.4822, 0.4465];
const CIFAR10_STD = [0.2023, 0.1994, 0.201];

const side = limitedInteger('side');

/** One entry of the layer list. Whether its fields apply to its type is checked by `resolveNetwork`. */
export const layerSchema = objectOf(
  {
    type: oneOf(['conv', 'avgpool', 'maxpool', 'linear']),
    // Zero is the neutral value of a pool, which has no output count of its own.
    out: limitedInteger('out', 0).optional(),
    kernel: limitedInteger('kernel').optional(),
    stride: limitedInteger('stride').optional(),
    padding: limitedInteger('padding').optional(),
    bias: flag.optional(),
    norm: oneOf(NORMS).optional(),
    output: flag.optional(),
    leak: limitedNumber('leak').optional(),
    threshold: limitedNumber('threshold').optional(),
    timeConstant: limitedNumber('timeConstant').optional(),
    delay: limitedNumber('delay').optional(),
    dropout: limitedNumber('dropout').optional(),
  },
  'a layer (an object)',
);

export const inputShape = z.tuple([side, side, side], { error: 'three integers [C, H, W]' });

/** Fields of a description beside input, timesteps and layers; shared with the options of `vgg`. */
export const networkOptions = {
  mean: listOf(limitedNumber('mean'), 'one number per channel').optional(),
  std: listOf(limitedNumber('std'), 'one number > 0 per channel').optional(),
  alpha: limitedNumber('alpha').optional(),
  beta: limitedNumber('beta').optional(),
  gamma: limitedNumber('gamma').optional(),
  surrogateScale: limitedNumber('surrogateScale').optional(),
  surrogate: oneOf(SURROGATES).optional(),
  schedules: flag.optional(),
  code: codeSchema.optional(),
  encoder: oneOf(ENCODERS).optional(),
  lo: limitedNumber('lo').optional(),
  hi: limitedNumber('hi').optional(),
  normGroup: limitedInteger('normGroup').optional(),
};
export const timestepCount = limitedInteger('timesteps');

const networkSchema = objectOf(
  {
    name: networkName.optional(),
    input: inputShape,
    timesteps: timestepCount.optional(),
    layers: listOf(layerSchema, 'a list of layers')
      .min(1, { error: 'at least one layer' })
      .max(LIMITS.layers.max, { error: `at most ${LIMITS.layers.max} layers` }),
    ...networkOptions,
  },
  'a network description (an object)',
);

/**
 * Fills in every default of a description and checks it.
 *
 * Errors: ERR_ARG for a value that is wrong in itself, ERR_SHAPE for layers that do not fit one another; both name
 * the place, as in `layers[3].kernel`.
 */
export function resolveNetwork(description: unknown): ResolvedNetwork {
  const d = parse(networkSchema, description, 'the network description');
  const channels = d.input[0];
  const three = channels === 3;
  const lo = d.lo ?? 0;
  const hi = d.hi ?? 1;
  checkIntensities(lo, hi);
  const { code } = d;
  if (code !== undefined) checkCoded(d, code);
  const timesteps = d.timesteps ?? (code === undefined ? undefined : 1);
  if (timesteps === undefined) throw expected(integerText('timesteps'), 'timesteps', undefined);
  if (d.encoder === 'radix' && !within('radixTimesteps', timesteps))
    throw expected(`${integerText('radixTimesteps')} with the encoder radix`, 'timesteps', timesteps);
  const network: ResolvedNetwork = {
    name: d.name ?? 'custom',
    input: [d.input[0], d.input[1], d.input[2]],
    timesteps,
    layers: d.layers.map((layer, index) => resolveLayer(layer, code, `layers[${index}]`)),
    mean: perChannel('mean', d.mean, three ? CIFAR10_MEAN : 0.5, channels),
    std: perChannel('std', d.std, three ? CIFAR10_STD : 0.5, channels),
    alpha: d.alpha ?? 1,
    beta: d.beta ?? 1,
    gamma: d.gamma ?? 0.3,
    surrogateScale: d.surrogateScale ?? 1,
    surrogate: d.surrogate ?? 'triangle',
    schedules: d.schedules ?? false,
    encoder: d.encoder ?? 'hybrid',
    lo,
    hi,
    normGroup: d.normGroup ?? 64,
    ...(code === undefined ? {} : { code: { ...code } }),
  };
  checkOrder(network.layers);
  checkPools(network.layers);
  checkSizes(network, layerShapes(network));
  return network;
}

/** Errors: ERR_ARG unless the intensity of the first coded step, `hi`, is above that of the last. */
export function checkIntensities(lo: number, hi: number, where = ''): void {
  if (!(lo < hi)) throw expected(`a number above lo (${lo})`, `${where}hi`, hi);
}

/** Errors: ERR_ARG for what a network with a code does not have. */
function checkCoded(d: z.infer<typeof networkSchema>, code: Code): void {
  checkCode(code);
  if (d.schedules === true)
    throw expected('nothing or false (a network with a code has no time steps)', 'schedules', true);
  if (d.encoder !== undefined && d.encoder !== 'hybrid')
    throw expected("nothing or 'hybrid' (a network with a code has an input of its own)", 'encoder', d.encoder);
}

type ParsedLayer = z.infer<typeof layerSchema>;

/** What makes a neuron fire, of a weighted layer or (`neutral`) of a pool. Errors: ERR_ARG for what the network does not have. */
function resolveNeuron(
  layer: ParsedLayer,
  code: Code | undefined,
  fires: boolean,
  where: string,
): Pick<LayerDescription, NeuronKey> {
  const absent = (keys: readonly NeuronKey[], why: string): void => {
    for (const key of keys)
      if (layer[key] !== undefined) throw expected(`nothing (${why})`, `${where}.${key}`, layer[key]);
  };
  if (code === undefined) {
    absent(['timeConstant', 'delay'], 'only a network with the code ttfs has it');
    return { leak: layer.leak ?? 0.9, threshold: layer.threshold ?? 1 };
  }
  absent(['threshold', 'leak'], 'a network with a code has no thresholds and leaks');
  if (code.kind === 'ttfs' && fires) return resolveTtfs(code, layer, where) satisfies TtfsNumbers;
  absent(['timeConstant', 'delay'], 'only hidden layers of a network with the code ttfs have it');
  return {};
}

function resolveLayer(layer: ParsedLayer, code: Code | undefined, where: string): ResolvedLayer {
  const { type } = layer;
  const neutral = <K extends keyof ResolvedLayer>(key: K, value: ResolvedLayer[K], only: string): ResolvedLayer[K] => {
    if (layer[key] !== undefined && layer[key] !== value)
      throw expected(`nothing or ${value} (${only})`, `${where}.${key}`, layer[key]);
    return value;
  };
  if (type === 'maxpool' && code === undefined)
    throw expected("'conv', 'avgpool' or 'linear' (a maxpool wants a code)", `${where}.type`, type);
  if (isPool(type)) {
    const kernel = layer.kernel ?? 2;
    if (!within('pool', kernel)) throw expected(integerText('pool'), `${where}.kernel`, kernel);
    const only = 'a pool takes a kernel, which is its stride';
    return {
      type,
      kernel,
      out: neutral('out', 0, only),
      stride: neutral('stride', kernel, only),
      padding: neutral('padding', 0, only),
      bias: neutral('bias', false, only),
      norm: neutral('norm', 'none', only),
      output: neutral('output', false, only),
      ...(code === undefined
        ? { leak: neutral('leak', 1, only) as number, threshold: neutral('threshold', 1, only) as number }
        : resolveNeuron(layer, code, false, where)),
      dropout: neutral('dropout', 0, only),
    };
  }
  const out = layer.out ?? 0;
  if (out < 1) throw expected(integerText('out'), `${where}.out`, layer.out);
  const output = layer.output ?? false;
  const neuron = { bias: layer.bias ?? false, ...resolveNeuron(layer, code, !output, where) };
  if (type === 'conv') {
    // `output` is left to the order check, which knows what the last layer must be.
    return {
      type,
      out,
      kernel: layer.kernel ?? 3,
      stride: layer.stride ?? 1,
      padding: layer.padding ?? 1,
      ...neuron,
      norm: layer.norm ?? 'none',
      output,
      dropout: layer.dropout ?? 0,
    };
  }
  const only = 'a linear layer has no window';
  const dropout = output ? neutral('dropout', 0, 'the output layer sends no spikes') : (layer.dropout ?? 0);
  return {
    type,
    out,
    kernel: neutral('kernel', 1, only),
    stride: neutral('stride', 1, only),
    padding: neutral('padding', 0, only),
    ...neuron,
    norm: output ? neutral('norm', 'none', 'the output layer is not normalised') : (layer.norm ?? 'none'),
    output,
    dropout,
  };
}

function checkOrder(layers: readonly ResolvedLayer[]): void {
  const last = layers.length - 1;
  let linear = -1;
  layers.forEach((layer, index) => {
    const where = `layers[${index}]`;
    if (layer.output && layer.type !== 'linear')
      throw expected("'linear' (the output layer)", `${where}.type`, layer.type, 'ERR_SHAPE');
    if (layer.output && index !== last)
      throw expected('the output layer to be the last one', `${where}.output`, true, 'ERR_SHAPE');
    if (linear >= 0 && layer.type !== 'linear')
      throw expected(`'linear' (layers[${linear}] has flattened the map)`, `${where}.type`, layer.type, 'ERR_SHAPE');
    if (layer.type === 'linear' && linear < 0) linear = index;
  });
  if (!layers[last]!.output)
    throw expected(
      'a linear layer with output: true at the end',
      `layers[${last}]`,
      `${layers[last]!.type} without output`,
      'ERR_SHAPE',
    );
}

/** Pools of one kind that follow each other are one window to native code. */
function checkPools(layers: readonly ResolvedLayer[]): void {
  let window = 1;
  layers.forEach(({ type, kernel }, index) => {
    const before = isPool(type) && layers[index - 1]?.type === type ? window : 1;
    if (type === 'maxpool' && layers[index - 1]?.type === 'avgpool')
      throw expected(
        'no maxpool after an avgpool (an average is none of the numbers that a neuron sends)',
        `layers[${index}].type`,
        type,
      );
    window = isPool(type) ? before * kernel : 1;
    if (!within('pool', window))
      throw expected(
        `a window of at most ${Math.floor(LIMITS.pool.max / before)} (after pools of ${before}x${before} together)`,
        `layers[${index}].kernel`,
        kernel,
      );
  });
}

function perChannel(
  key: string,
  given: readonly number[] | undefined,
  fallback: number | readonly number[],
  channels: number,
): number[] {
  if (given === undefined)
    return typeof fallback === 'number' ? new Array<number>(channels).fill(fallback) : [...fallback];
  if (given.length !== channels) throw expected(`${channels} numbers (one per channel)`, key, given);
  return [...given];
}
