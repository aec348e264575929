// The VGG family of the paper, scaled by options.
import { checkOneOf, defined } from '../check';
import { flag, listOf, networkName, numberOf, objectOf, oneOf, parse } from '../check/schema';
import { limitedInteger, limitedNumber } from '../native/limited';
import { inputShape, networkOptions, NORMS, resolveNetwork, timestepCount } from './description';
import type { LayerDescription, NetworkDescription, Norm } from './description';

/** Output channels of each 3x3 convolution (padding 1); 'A' is a 2x2 pool. */
export const VGG = {
  vgg6: [64, 'A', 128, 128, 'A'],
  vgg7: [64, 'A', 128, 128, 'A', 256, 256, 'A'],
  vgg9: [64, 'A', 128, 256, 'A', 256, 512, 'A', 512, 'A', 512],
  vgg11: [64, 'A', 128, 256, 'A', 512, 512, 'A', 512, 'A', 512, 512],
  vgg16: [64, 64, 'A', 128, 128, 'A', 256, 256, 256, 'A', 512, 512, 512, 'A', 512, 512, 512],
} as const satisfies Record<string, readonly (number | 'A')[]>;

/** The names of the VGG networks. */
export const VGG_NAMES = Object.keys(VGG) as VggName[];
/** The pools of a VGG network. */
export const POOLS = ['avg', 'before', 'max'] as const;

/** The name of a VGG network. */
export type VggName = keyof typeof VGG;

/** Options of `vgg`, which include the fields of a description but its layers. */
export interface VggOptions extends Omit<NetworkDescription, 'input' | 'timesteps' | 'layers'> {
  /** The number of classes; 10 by default. */
  classes?: number;
  /** T, the number of time steps, from 1 to 254; 5 by default. */
  timesteps?: number;
  /** The shape [C, H, W] of an image; [3, 32, 32] by default. */
  input?: [number, number, number];
  /** The factor on every number of channels, not on the hidden units; 1 by default. */
  width?: number;
  /** The units of the hidden linear layers; [4096, 4096] by default, [] for none. */
  hidden?: number[];
  /** The dropout rate of the hidden linear layers and of the convolutions that no pool follows; 0 by default. */
  dropout?: number;
  /**
   * The pools: 'avg' (the default) averages spikes, 'before' the currents of the convolution before a pool, which then
   * is no layer of its own, and 'max' is for networks with a code, which cannot have 'before'.
   */
  pool?: (typeof POOLS)[number];
  /** Whether layers have biases; false by default. */
  bias?: boolean;
  /** The normalisation of every hidden layer; 'none' by default. */
  norm?: Norm;
  /** The initial leak of every layer; 0.9 by default. */
  leak?: number;
  /** The initial threshold of every layer; 1 by default. */
  threshold?: number;
}

const optionsSchema = objectOf(
  {
    name: networkName.optional(),
    classes: limitedInteger('out').optional(),
    timesteps: timestepCount.optional(),
    input: inputShape.optional(),
    width: numberOf('a number > 0 and at most 64', (value) => value > 0 && value <= 64).optional(),
    hidden: listOf(limitedInteger('out'), 'a list of unit counts').optional(),
    dropout: limitedNumber('dropout').optional(),
    pool: oneOf(POOLS).optional(),
    bias: flag.optional(),
    norm: oneOf(NORMS).optional(),
    leak: limitedNumber('leak').optional(),
    threshold: limitedNumber('threshold').optional(),
    ...networkOptions,
  },
  'options (an object)',
);

/**
 * Returns the description of a VGG network for `Network.create`.
 *
 * Errors: ERR_ARG for an unknown name or option, ERR_SHAPE when the image is too small for the pools.
 */
export function vgg(name: VggName | (string & {}), options: VggOptions = {}): NetworkDescription {
  const plan: readonly (number | 'A')[] = VGG[checkOneOf(name, 'the name of a VGG network', VGG_NAMES)];
  const o = parse(optionsSchema, options, 'the options of vgg');
  const {
    classes = 10,
    timesteps = 5,
    input = [3, 32, 32],
    width = 1,
    hidden = [4096, 4096],
    dropout,
    pool = 'avg',
    bias,
    norm,
    leak,
    threshold,
    name: label,
    ...rest
  } = o;
  const common = defined({ bias, leak, threshold });
  const layers = plan.flatMap((entry, index): LayerDescription[] => {
    if (entry === 'A') return pool === 'before' ? [] : [{ type: `${pool}pool` }];
    // As in the usual recipes for converted VGGs, where a pool takes the place of the dropout before it.
    const drop = plan[index + 1] === 'A' ? {} : defined({ dropout });
    const average = pool === 'before' && plan[index + 1] === 'A' ? { pool: 2 } : {};
    const out = Math.max(1, Math.round(entry * width));
    return [{ type: 'conv', out, ...average, ...common, ...defined({ norm }), ...drop }];
  });
  for (const units of hidden) layers.push({ type: 'linear', out: units, ...common, ...defined({ norm, dropout }) });
  layers.push({ type: 'linear', out: classes, output: true, ...common });
  const description: NetworkDescription = {
    name: label ?? name,
    input: [...input] as [number, number, number],
    timesteps,
    layers,
    ...defined(rest),
  };
  resolveNetwork(description);
  return description;
}
