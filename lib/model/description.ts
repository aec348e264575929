// What a network is, as plain JSON: how a description is checked and becomes its resolved form.
import { z } from 'zod';

import { defined, expected } from '../check';
import { built, deferred, flag, listOf, networkName, objectOf, oneOf, parse } from '../check/schema';
import { limitedInteger, limitedNumber } from '../native/limited';
import { integerText, LIMITS, within } from '../native/limits';
import { checkCode, codeSchema, type Code } from './code/code';
import { checkGenes, genesSchema } from './genes/genes';
import { checkOrder, checkPools, layerSchema, resolveLayer } from './layers';
import { layerShapes } from './shapes';
import { checkSizes } from './sizes';
import { ENCODERS, SURROGATES, type ResolvedNetwork } from './spec';

export { layerSchema } from './layers';
export { layerShapes } from './shapes';
export type { LayerShape } from './shapes';
export { ENCODERS, isNormalised, NORMS, SURROGATES } from './spec';
export type * from './spec';

const CIFAR10_MEAN = [0.4914, 0.4822, 0.4465];
const CIFAR10_STD = [0.2023, 0.1994, 0.201];

const side = limitedInteger('side');

export const inputShape = deferred(() =>
  z.tuple([built(side), built(side), built(side)], { error: 'three integers [C, H, W]' }),
);

/** Fields of a description beside input, timesteps and layers; shared with the options of `vgg`. */
export const networkOptions = {
  mean: listOf(limitedNumber('mean'), 'one number per channel').optional(),
  std: listOf(limitedNumber('std'), 'one number > 0 per channel').optional(),
  alpha: limitedNumber('alpha').optional(),
  beta: limitedNumber('beta').optional(),
  gamma: limitedNumber('gamma').optional(),
  surrogateScale: limitedNumber('surrogateScale').optional(),
  surrogate: oneOf(SURROGATES).optional(),
  initialPotential: limitedNumber('initialPotential').optional(),
  schedules: flag.optional(),
  code: codeSchema.optional(),
  genes: genesSchema.optional(),
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
    ...(code === undefined ? {} : { code: defined(code) as Code }),
    ...(d.genes === undefined ? {} : { genes: d.genes }),
    // Files of networks that begin with nothing are what they were before there was a choice.
    ...(d.initialPotential ? { initialPotential: d.initialPotential } : {}),
  };
  checkOrder(network.layers);
  checkPools(network.layers);
  checkGenes(network);
  checkSizes(network, layerShapes(network));
  return network;
}

/** U(0) of the neurons of a layer with this threshold, in 32 bits. The output layer begins with nothing. */
export function initialPotential(network: ResolvedNetwork, layer: number, threshold: number): number {
  const share = network.layers[layer]!.output ? 0 : (network.initialPotential ?? 0);
  return Math.fround(Math.fround(share) * threshold);
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
  if (d.initialPotential)
    throw expected('nothing or 0 (a network with a code has no time steps)', 'initialPotential', d.initialPotential);
  if (d.encoder !== undefined && d.encoder !== 'hybrid')
    throw expected("nothing or 'hybrid' (a network with a code has an input of its own)", 'encoder', d.encoder);
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
