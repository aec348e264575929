/** Thresholds and leaks of a network, one number per layer, without reading its weights. */
import { layerName } from '../../model/layer';
import type { Network, ParametersOptions } from '../../model/network';

/** The thresholds or leaks of all spiking layers by the name of their tensor. */
export async function neuronParameters(
  network: Network,
  kind: 'threshold' | 'leak',
  options: ParametersOptions = {},
): Promise<Record<string, number>> {
  const names = network.layers.map(({ layer }) => `${layerName(layer)}.${kind}`);
  const read = await network.parameters({ ...options, names });
  return Object.fromEntries([...read].map(([name, { data }]) => [name, data[0]!]));
}

/** The tensors of a hidden layer that a conversion sets in the place of its threshold, by code. */
const ofCode = { ttfs: ['time_constant', 'delay'], radix: ['step'], 'one-spike-phase': [] } as const;

/** What a conversion sets: the thresholds of all layers, or what hidden layers with a code have in their place. */
export async function convertedParameters(network: Network): Promise<Record<string, number>> {
  const { code } = network.description;
  if (code === undefined) return neuronParameters(network, 'threshold');
  const hidden = network.layers.slice(0, -1);
  const names = hidden.flatMap(({ layer }) => ofCode[code.kind].map((kind) => `${layerName(layer)}.${kind}`));
  const read = await network.parameters({ names });
  return Object.fromEntries([...read].map(([name, { data }]) => [name, data[0]!]));
}
