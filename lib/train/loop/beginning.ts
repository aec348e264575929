/** The network that a run begins with, and the thresholds that its binary phase begins with. */
import type { ResolvedNetwork } from '../../model/description';
import { hasNorm, hasPools, withoutNorm, withoutPools } from '../../model/fold';
import { layerName, type SpikingLayer } from '../../model/layer';
import { readModel } from '../../model/model-file';
import type { FloatTensor } from '../../model/parameters';
import type { TrainConfig } from '../config/config';
import { modelFile } from '../run/load-run';

/**
 * The network that a run begins with. The model of an earlier run has its normalisation and the pools before its neurons
 * folded into weights and biases: a run that starts from it goes on without. Errors: ERR_IO, ERR_FORMAT, ERR_STATE, as `modelFile`.
 */
export async function beginningNetwork(
  { init }: Pick<TrainConfig, 'init'>,
  description: ResolvedNetwork,
): Promise<ResolvedNetwork> {
  if (init === undefined || !(hasNorm(description) || hasPools(description))) return description;
  const { network } = await readModel(await modelFile(init), description);
  const normalised = hasNorm(network) ? description : withoutNorm(description);
  return hasPools(network) ? normalised : withoutPools(normalised);
}

/** The same threshold for all these layers. */
export function equalThresholds(layers: readonly SpikingLayer[], threshold: number): Map<string, FloatTensor> {
  return new Map(
    layers.map(({ layer }) => [`${layerName(layer)}.threshold`, { shape: [], data: Float32Array.of(threshold) }]),
  );
}
