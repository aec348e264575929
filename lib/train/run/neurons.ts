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
