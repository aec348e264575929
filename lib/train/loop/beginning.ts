// The network that a run begins with, its weights, and the thresholds that its binary phase begins with.
import type { LoadedDataset } from '../../data';
import { selectImages } from '../../data/split';
import type { ResolvedNetwork } from '../../model/description';
import { foldsNorm, hasNorm, hasPools, withoutNorm, withoutPools } from '../../model/fold';
import { layerName, type SpikingLayer } from '../../model/layer';
import { readNetwork } from '../../model/model-file';
import type { Network } from '../../model/network';
import type { FloatTensor } from '../../model/parameters';
import type { TrainConfig } from '../config/config';
import { hiddenLayers } from '../run/activity';
import { modelFile } from '../run/load-run';
import { initialState, next, type TrainState } from '../run/state';
import { setStart, WHITENING_IMAGES } from '../start/start';
import { trainingRows } from '../rows/held';
import { allRows, calibrationIndices } from '../rows/order';

/**
 * The network that a run begins with. The model of an earlier run has its normalisation and the pools before its
 * neurons folded into weights and biases: a run that starts from it goes on without. Errors: ERR_IO, ERR_FORMAT,
 * ERR_STATE, as `modelFile`.
 */
export async function beginningNetwork(
  { init }: Pick<TrainConfig, 'init'>,
  description: ResolvedNetwork,
): Promise<ResolvedNetwork> {
  if (init === undefined || !(foldsNorm(description) || hasPools(description))) return description;
  const network = await readNetwork(await modelFile(init), description);
  const normalised = hasNorm(network) || !foldsNorm(description) ? description : withoutNorm(description);
  return hasPools(network) ? normalised : withoutPools(normalised);
}

/** Gives a new network the weights that it begins with, and returns the state of a run at its begin. */
export async function begin(config: TrainConfig, network: Network, loaded: LoadedDataset): Promise<TrainState> {
  if (config.init !== undefined) await network.load(await modelFile(config.init));
  else {
    const { train } = trainingRows(loaded, config);
    const whitening = config.start.whitening ? WHITENING_IMAGES : 0;
    const images = selectImages(loaded.train, calibrationIndices(train, config.seed, whitening));
    await setStart(network, config.start, images, allRows(images.count));
  }
  return initialState(next(null, config) ?? 'finish', hiddenLayers(network).length);
}

/** The same threshold for all these layers. */
export function equalThresholds(layers: readonly SpikingLayer[], threshold: number): Map<string, FloatTensor> {
  return new Map(
    layers.map(({ layer }) => [`${layerName(layer)}.threshold`, { shape: [], data: Float32Array.of(threshold) }]),
  );
}
