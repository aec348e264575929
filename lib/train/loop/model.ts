/** From a configuration to its images, and from these to the description of the network. */
import { loadDataset, type LoadedDataset } from '../../data';
import { resolveNetwork, type NetworkDescription, type ResolvedNetwork } from '../../model/description';
import { vgg } from '../../model/vgg';
import type { TrainConfig } from '../config/config';

/** What is left of an object without its undefined values. */
function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

/**
 * Input shape, number of classes, mean and deviation come from the data set where the configuration leaves them open.
 * Errors: ERR_ARG, ERR_SHAPE (an image too small for the pools of the network).
 */
export function networkOf(model: TrainConfig['model'], dataset: LoadedDataset): ResolvedNetwork {
  const { name, layers, width, hidden, bias, dropout, leak, threshold, ...spiking } = model;
  const filled = defined({ mean: dataset.mean, std: dataset.std, ...defined(spiking) });
  const input = (model.input ?? dataset.train.shape) as [number, number, number];
  if (layers !== undefined) return resolveNetwork(defined({ name, ...filled, input, layers }));
  const classes = dataset.train.classes.length;
  return resolveNetwork(
    vgg(
      name ?? '',
      defined({
        width,
        hidden,
        bias,
        dropout,
        leak,
        threshold,
        ...filled,
        input,
        classes,
      }) as Partial<NetworkDescription>,
    ),
  );
}

/** The data set of a configuration. Errors: as `loadDataset`. */
export function loadConfigured(config: TrainConfig, signal?: AbortSignal): Promise<LoadedDataset> {
  const { name, directory, trainCount, testCount, size, testShare, seed } = config.dataset;
  return loadDataset(name, defined({ directory, trainCount, testCount, size, testShare, seed, signal }));
}
