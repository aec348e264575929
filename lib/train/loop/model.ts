/** From a configuration to its images, and from these to the description of the network. */
import { defined, expected } from '../../check';
import { loadDataset, sources, type LoadedDataset, type LoadOptions } from '../../data';
import { resolveNetwork, type ResolvedNetwork } from '../../model/description';
import { vgg } from '../../model/vgg';
import type { TrainConfig } from '../config/config';

/**
 * Input shape, number of classes, mean and deviation come from the data set where the configuration leaves them open.
 * Errors: ERR_ARG, ERR_SHAPE (an image too small for the pools of the network, another input or number of classes than the images have).
 */
export function networkOf(model: TrainConfig['model'], dataset: LoadedDataset): ResolvedNetwork {
  const { name, layers, width, hidden, bias, dropout, leak, threshold, ...spiking } = model;
  const { shape, classes } = dataset.train;
  const filled = { mean: dataset.mean, std: dataset.std, ...defined(spiking), input: model.input ?? shape };
  const network =
    layers === undefined
      ? vgg(name ?? '', {
          ...filled,
          ...defined({ width, hidden, bias, dropout, leak, threshold }),
          classes: classes.length,
        })
      : { ...defined({ name }), ...filled, layers };
  const resolved = resolveNetwork(network);
  const fits = resolved.input.every((side, i) => side === shape[i]);
  if (!fits)
    throw expected(
      `${shape.join(' x ')} (the images of ${dataset.name})`,
      'model.input',
      resolved.input.join(' x '),
      'ERR_SHAPE',
    );
  const last = resolved.layers.length - 1;
  const { out } = resolved.layers[last]!;
  if (out !== classes.length)
    throw expected(
      `${classes.length} (a class of ${dataset.name} each)`,
      `model.layers[${last}].out`,
      out,
      'ERR_SHAPE',
    );
  return resolved;
}

/**
 * The data set of a configuration. Folders of runs are no classes of it: `out` is the one that is being written.
 * Errors: as `loadDataset`.
 */
export function loadConfigured(config: TrainConfig, out: string, signal?: AbortSignal): Promise<LoadedDataset> {
  const { name, validation: _validation, ...chosen } = config.dataset;
  const all: LoadOptions = { ...chosen, exclude: [out] };
  // A configuration of an earlier version may hold options that the set does not take; they never meant anything.
  const taken = sources[name].options.map((key) => [key, all[key]]);
  return loadDataset(name, defined({ ...Object.fromEntries(taken), signal }));
}
