/** From a configuration to its images, and from these to the description of the network. */
import { stat } from 'node:fs/promises';
import { checkString, expected } from '../../check';
import { loadDataset, type LoadedDataset } from '../../data';
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { absolutePath } from '../../io/paths';
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

/** The configuration with its images at `directory`. Errors: ERR_ARG for a data set that has no files. */
export function inDirectory(config: TrainConfig, directory: string | undefined): TrainConfig {
  if (directory === undefined) return config;
  checkString(directory, 'directory');
  if (config.dataset.name === 'shapes')
    throw expected("no folder for 'shapes', which needs no files,", 'directory', directory);
  return { ...config, dataset: { ...config.dataset, directory: absolutePath(directory) } };
}

export interface ImagesOptions {
  /** Folder of the run, which is no part of the data where it lies among them. */
  run?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The data set of a configuration. Errors: as `loadDataset`; a folder that is gone is named with what to do. */
export async function loadConfigured(config: TrainConfig, { run, signal }: ImagesOptions = {}): Promise<LoadedDataset> {
  const { name, directory, trainCount, testCount, size, testShare, seed } = config.dataset;
  const leaveOut = run === undefined ? undefined : [run];
  try {
    return await loadDataset(
      name,
      defined({ directory, trainCount, testCount, size, testShare, seed, signal, leaveOut }),
    );
  } catch (error) {
    if (directory === undefined || !isOneSpikeError(error) || error.code !== 'ERR_IO' || (await exists(directory)))
      throw error;
    throw new OneSpikeError('ERR_IO', `${error.message}; if the files have moved, name their folder with --data DIR`, {
      cause: error,
    });
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
