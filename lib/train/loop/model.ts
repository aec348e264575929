// From a configuration to its images, and from these to the description of the network.
import { checkString, defined, expected } from '../../check';
import { loadProgram, sources, type LoadedDataset, type LoadOptions, type ProgramDataset } from '../../data';
import { heldParts, type Keep } from '../../data/held';
import { loadHeld } from '../../data/load';
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { absolutePath } from '../../io/paths';
import { exists } from '../../io/status';
import { resolveNetwork, type ResolvedNetwork } from '../../model/description';
import type { NetworkOptions } from '../../model/network';
import { vgg } from '../../model/vgg';
import type { TrainConfig } from '../config/config';
import { partsOf, type PresetName } from '../config/presets';

/**
 * Input shape, number of classes, mean and deviation come from the data set where the configuration leaves them open.
 * Errors: ERR_ARG, ERR_SHAPE (an image too small for the pools of the network, another input or number of classes than
 * the images have).
 */
export function networkOf(model: TrainConfig['model'], dataset: LoadedDataset): ResolvedNetwork {
  const { name, layers, width, hidden, pool, bias, norm, dropout, leak, threshold, ...spiking } = model;
  const { shape, classes } = dataset.train;
  const filled = { mean: dataset.mean, std: dataset.std, ...defined(spiking), input: model.input ?? shape };
  const network =
    layers === undefined
      ? vgg(partsOf(name as PresetName).network, {
          ...filled,
          name: name!,
          ...defined({ width, hidden, pool, bias, norm, dropout, leak, threshold }),
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

export function networkOptions({ backend, device, seed, threads, precision }: TrainConfig): NetworkOptions {
  return { backend, device, seed, threads, precision };
}

/** The configuration with its images at `directory`. Errors: ERR_ARG for a data set that has no files. */
export function inDirectory(config: TrainConfig, directory: string | undefined): TrainConfig {
  if (directory === undefined) return config;
  checkString(directory, 'directory');
  const { name } = config.dataset;
  if (!sources[name].options.includes('directory'))
    throw expected(`no folder for '${name}', which needs no files,`, 'directory', directory);
  return { ...config, dataset: { ...config.dataset, directory: absolutePath(directory) } };
}

/**
 * The data set of a configuration; `images` are those of a program, `keep` chooses what is kept in memory. Folders of
 * runs are no classes of it: `out` is the one that is being written. Errors: as `loadDataset` and `loadProgram`; a
 * folder that is gone is named with what to do.
 */
export async function loadConfigured(
  config: TrainConfig,
  out: string,
  {
    signal,
    images,
    keep,
  }: { signal?: AbortSignal | undefined; images?: ProgramDataset | undefined; keep?: Keep | undefined } = {},
): Promise<LoadedDataset> {
  const { name, validation: _validation, ...chosen } = config.dataset;
  if (images !== undefined) {
    if (name !== 'program') throw expected(`no images beside those of '${name}'`, 'dataset', images);
    const { trainCount, testCount } = chosen;
    const loaded = await loadProgram({ ...images, trainCount, testCount }, { signal });
    return keep === undefined ? loaded : { ...loaded, ...heldParts(loaded, keep) };
  }
  const all: LoadOptions = { ...chosen, exclude: [out] };
  // A configuration of an earlier version may hold options that the set does not take; they never meant anything.
  const taken = sources[name].options.map((key) => [key, all[key]]);
  try {
    return await loadHeld(name, defined({ ...Object.fromEntries(taken), signal }), keep);
  } catch (error) {
    const { directory } = config.dataset;
    if (directory === undefined || !isOneSpikeError(error) || error.code !== 'ERR_IO' || (await exists(directory)))
      throw error;
    throw new OneSpikeError('ERR_IO', `${error.message}; if the files have moved, name their folder with --data DIR`, {
      cause: error,
    });
  }
}
