// The VGG family of the paper, scaled by options.
import { z } from 'zod';

import { checkOneOf } from '../check';
import {
  aboveZero,
  checked,
  flag,
  inputShape,
  integerOf,
  networkOptions,
  numberOf,
  rate,
  resolveNetwork,
  timestepCount,
  unit,
} from './description';
import type { LayerDescription, NetworkDescription } from './description';

/** Output channels of each 3x3 convolution (padding 1); 'A' is a 2x2 average pool. */
export const VGG = {
  vgg6: [64, 'A', 128, 128, 'A'],
  vgg9: [64, 'A', 128, 256, 'A', 256, 512, 'A', 512, 'A', 512],
  vgg11: [64, 'A', 128, 256, 'A', 512, 512, 'A', 512, 'A', 512, 512],
  vgg16: [64, 64, 'A', 128, 128, 'A', 256, 256, 256, 'A', 512, 512, 512, 'A', 512, 512, 512],
} as const satisfies Record<string, readonly (number | 'A')[]>;

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
  /** Whether layers have biases; false by default. */
  bias?: boolean;
  /** The initial leak of every layer; 0.9 by default. */
  leak?: number;
  /** The initial threshold of every layer; 1 by default. */
  threshold?: number;
}

const optionsSchema = z.strictObject(
  {
    name: z.string({ error: 'a name (a string)' }).optional(),
    classes: integerOf(1, 65535).optional(),
    timesteps: timestepCount.optional(),
    input: inputShape.optional(),
    width: numberOf('a number > 0 and at most 64', (value) => value > 0 && value <= 64).optional(),
    hidden: z.array(integerOf(1, 65535), { error: 'a list of unit counts' }).optional(),
    dropout: rate.optional(),
    bias: flag.optional(),
    leak: unit.optional(),
    threshold: aboveZero.optional(),
    ...networkOptions,
  },
  { error: 'options (an object)' },
);
const OPTION_KEYS = Object.keys(optionsSchema.shape);

/**
 * Returns the description of a VGG network for `Network.create`.
 *
 * Errors: ERR_ARG for an unknown name or option, ERR_SHAPE when the image is too small for the pools.
 */
export function vgg(name: VggName | (string & {}), options: VggOptions = {}): NetworkDescription {
  const plan: readonly (number | 'A')[] =
    VGG[checkOneOf(name, 'the name of a VGG network', Object.keys(VGG) as VggName[])];
  const o = checked(optionsSchema, options, 'the options of vgg', () => OPTION_KEYS);
  const {
    classes = 10,
    timesteps = 5,
    input = [3, 32, 32],
    width = 1,
    hidden = [4096, 4096],
    dropout,
    bias,
    leak,
    threshold,
    name: label,
    ...rest
  } = o;
  const common = defined({ bias, leak, threshold });
  const layers: LayerDescription[] = plan.map((entry, index) => {
    if (entry === 'A') return { type: 'avgpool' };
    // As in the usual recipes for converted VGGs, where a pool takes the place of the dropout before it.
    const drop = plan[index + 1] === 'A' ? {} : defined({ dropout });
    return { type: 'conv', out: Math.max(1, Math.round(entry * width)), ...common, ...drop };
  });
  for (const units of hidden) layers.push({ type: 'linear', out: units, ...common, ...defined({ dropout }) });
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

/** The object without its undefined fields, so that a description stays equal to its JSON. */
function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
