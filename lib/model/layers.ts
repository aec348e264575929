// The entries of the layer list: their schema, their defaults, and what may follow what.
import type { z } from 'zod';

import { expected } from '../check';
import { flag, objectOf, oneOf } from '../check/schema';
import { limitedInteger, limitedNumber } from '../native/limited';
import { integerText, LIMITS, within } from '../native/limits';
import { resolveTtfs, type Code, type TtfsNumbers } from './code/code';
import { isPool } from './layer';
import { pooledWindow } from './shapes';
import { NORMS, type LayerDescription, type NeuronKey, type ResolvedLayer } from './spec';

/** One entry of the layer list. Whether its fields apply to its type is checked by `resolveNetwork`. */
export const layerSchema = objectOf(
  {
    type: oneOf(['conv', 'avgpool', 'maxpool', 'linear']),
    // Zero is the neutral value of a pool, which has no output count of its own.
    out: limitedInteger('out', 0).optional(),
    kernel: limitedInteger('kernel').optional(),
    stride: limitedInteger('stride').optional(),
    padding: limitedInteger('padding').optional(),
    pool: limitedInteger('pool').optional(),
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

type ParsedLayer = z.infer<typeof layerSchema>;

/**
 * What makes a neuron fire, of a weighted layer or (`neutral`) of a pool. Errors: ERR_ARG for what the network does not
 * have.
 */
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

/**
 * A layer with its defaults. Errors: ERR_ARG for fields that do not apply to its type or to the code of the network.
 */
export function resolveLayer(layer: ParsedLayer, code: Code | undefined, where: string): ResolvedLayer {
  const { type } = layer;
  const neutral = <K extends keyof ResolvedLayer>(key: K, value: ResolvedLayer[K], only: string): ResolvedLayer[K] => {
    if (layer[key] !== undefined && layer[key] !== value)
      throw expected(`nothing or ${value} (${only})`, `${where}.${key}`, layer[key]);
    return value;
  };
  if (type === 'maxpool' && code === undefined)
    throw expected("one of 'conv', 'avgpool', 'linear'", `${where}.type`, type);
  if (isPool(type)) {
    const kernel = layer.kernel ?? 2;
    if (!within('pool', kernel)) throw expected(integerText('pool'), `${where}.kernel`, kernel);
    const only = `${type === 'avgpool' ? 'an avgpool' : 'a maxpool'} takes a kernel, which is its stride`;
    return {
      type,
      kernel,
      out: neutral('out', 0, only),
      stride: neutral('stride', kernel, only),
      padding: neutral('padding', 0, only),
      pool: neutral('pool', 1, only),
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
      pool: currentPool(layer, code, where),
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
    pool: neutral('pool', 1, only),
    ...neuron,
    norm: output ? neutral('norm', 'none', 'the output layer is not normalised') : (layer.norm ?? 'none'),
    output,
    dropout,
  };
}

/**
 * Errors: ERR_ARG for a pool before the neurons of a network with a code, or a window that kernel and stride rule out.
 */
function currentPool(layer: ParsedLayer, code: Code | undefined, where: string): number {
  const pool = layer.pool ?? 1;
  if (pool > 1 && code !== undefined)
    throw expected('nothing or 1 (a network with a code averages no currents)', `${where}.pool`, pool);
  const { kernel, stride } = pooledWindow({ kernel: layer.kernel ?? 3, stride: layer.stride ?? 1, pool });
  if (within('kernel', kernel) && within('stride', stride)) return pool;
  throw expected(
    `a window whose kernel of ${kernel} and stride of ${stride} are at most ${LIMITS.kernel.max}`,
    `${where}.pool`,
    pool,
  );
}

/** Errors: ERR_SHAPE unless the layers lead from maps to a linear output layer. */
export function checkOrder(layers: readonly ResolvedLayer[]): void {
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
export function checkPools(layers: readonly ResolvedLayer[]): void {
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
