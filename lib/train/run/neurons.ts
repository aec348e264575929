// Parameters of which a layer has one number, without reading its weights.
import { layerName } from '../../model/layer';
import type { Network, ParametersOptions } from '../../model/network';

/** The thresholds or leaks of all spiking layers by the name of their tensor. */
export async function neuronParameters(
  network: Network,
  kind: 'threshold' | 'leak',
  options?: ParametersOptions,
): Promise<Record<string, number>> {
  return firstNumbers(network, network.layers, [kind], options);
}

/** The tensors of a hidden layer that a conversion sets in the place of its threshold, by code. */
const ofCode = { ttfs: ['time_constant', 'delay'], radix: ['step'], 'one-spike-phase': [] } as const;

/** What a conversion sets: the thresholds of all layers, or what hidden layers with a code have in their place. */
export async function convertedParameters(network: Network): Promise<Record<string, number>> {
  const { code } = network.description;
  return code === undefined
    ? neuronParameters(network, 'threshold')
    : firstNumbers(network, network.layers.slice(0, -1), ofCode[code.kind]);
}

async function firstNumbers(
  network: Network,
  layers: Network['layers'],
  kinds: readonly string[],
  options?: ParametersOptions,
): Promise<Record<string, number>> {
  const names = layers.flatMap(({ layer }) => kinds.map((kind) => `${layerName(layer)}.${kind}`));
  const tensors = await network.parameters({ ...options, names });
  return Object.fromEntries([...tensors].map(([name, { data }]) => [name, data[0]!]));
}
