// A run from its folder: configuration, metrics, and the network it ended with.
import { checkOptions, checkSignal, checkString } from '../../check';
import type { LoadedDataset, ProgramDataset } from '../../data';
import { OneSpikeError } from '../../errors';
import { absolutePath, shellWord } from '../../io/paths';
import { isFolder } from '../../io/status';
import { readModel } from '../../model/model-file';
import { Network, type NetworkOptions } from '../../model/network';
import type { TrainConfig } from '../config/config';
import { changedParts, changeWarning, checkClasses, hashDataset } from './data-record';
import type { ConvertedEvent, DoneEvent, EpochEvent, Phase } from './events';
import { inDirectory, loadConfigured } from '../loop/model';
import { RunFolder, runPrecision, type RunInfo } from './run-folder';
import { lastPhase } from './state';

const ANN_PHASES = ['ann', 'binary'] as const satisfies readonly Phase[];

/** A training run, read from its folder. */
export interface Run {
  /** The folder of the run. */
  path: string;
  /** The contents of run.json. */
  info: RunInfo;
  /** The configuration of the run. */
  config: TrainConfig;
  /** The names of the classes. */
  classes: string[];
  /** The events `epoch` and `converted`, in order, from metrics.jsonl. */
  metrics: (EpochEvent | ConvertedEvent)[];
  /** The event `done`; undefined while the run is unfinished. */
  results: DoneEvent | undefined;
  /** The mode of the network: that of the ANN, `ann` or `binary`, if it is not spiking, or not yet. */
  mode: Phase;
  /**
   * Creates a network with the best parameters so far, in the precision of the run unless `options` say otherwise. The
   * caller disposes of it. Errors: ERR_STATE if nothing was saved yet.
   */
  network(options?: NetworkOptions): Promise<Network>;
  /**
   * Creates a network with the best parameters of the phase `ann`, for the mode `ann`; options as in `network`. Errors:
   * ERR_STATE if the run has no such phase, or has not saved anything of it yet.
   */
  ann(options?: NetworkOptions): Promise<Network>;
  /**
   * Loads the images of the run, from `directory` if they have moved there, or those of a program from `dataset`.
   * `warnings` say if they are not those that it was trained on. Errors: ERR_STATE if their classes are not those of
   * the run.
   */
  dataset(options?: {
    signal?: AbortSignal;
    directory?: string | undefined;
    dataset?: ProgramDataset | undefined;
  }): Promise<LoadedDataset>;
}

/** Reads a run from its folder. Errors: ERR_IO if there is no run at `path`, ERR_FORMAT. */
export async function loadRun(path: string): Promise<Run> {
  const folder = new RunFolder(absolutePath(checkString(path, 'path')));
  const info = await folder.readInfo();
  const metrics = (await folder.readMetrics()) as unknown as (EpochEvent | ConvertedEvent)[];
  const best = await bestFile(folder, info);
  const open = (file: string, options: NetworkOptions): Promise<Network> =>
    openNetwork(file, info, { seed: info.seed, precision: runPrecision(info), ...options });
  return {
    path: folder.path,
    info,
    config: info.config,
    classes: info.dataset.classes,
    metrics,
    results: info.results,
    mode: ANN_PHASES.find((phase) => best === folder.checkpoint(`${phase}-best.safetensors`)) ?? lastPhase(info.config),
    network: async (options = {}) => {
      if (best === undefined) {
        throw new OneSpikeError(
          'ERR_STATE',
          `Expected a trained network in ${folder.path} but received none yet; continue it by \`onespike resume ${shellWord(folder.path)}\``,
        );
      }
      return open(best, options);
    },
    ann: async (options = {}) => {
      const file = folder.checkpoint('ann-best.safetensors');
      if (await folder.has(file)) return open(file, options);
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected a run with a trained ANN but ${folder.path} has none: its phase ann was left out or has not saved anything yet`,
      );
    },
    dataset: async (options) => {
      const { signal, directory, dataset } = checkOptions(options, 'options', ['signal', 'directory', 'dataset']);
      const config = inDirectory(info.config, directory as string | undefined);
      const images = dataset as ProgramDataset | undefined;
      const loaded = await loadConfigured(config, folder.path, { signal: checkSignal(signal, 'signal'), images });
      checkClasses(info.dataset, loaded.train.classes, `the data set ${loaded.name}`);
      const changed = changedParts(info.dataset, loaded, await hashDataset(loaded));
      const changes = changed.map((part) => changeWarning(info.dataset, loaded, part));
      return { ...loaded, warnings: [...changes, ...loaded.warnings] };
    },
  };
}

/** The network of a model file. Errors: ERR_STATE if the file names other classes than the run. */
async function openNetwork(path: string, info: RunInfo, options: NetworkOptions): Promise<Network> {
  const { network: description, tensors, extra } = await readModel(path);
  if (extra.classes !== undefined) checkClasses(info.dataset, JSON.parse(extra.classes) as string[], path);
  const network = await Network.create(description, options);
  try {
    await network.setParameters(tensors);
    return network;
  } catch (error) {
    await network.dispose();
    throw error;
  }
}

/**
 * The file of the network that `path` names: a model file itself, or a run with the best network so far; `key` is the
 * key of the configuration that asks for it. Errors: ERR_IO, ERR_FORMAT, ERR_STATE.
 */
export async function modelFile(path: string, key = 'init'): Promise<string> {
  if (!(await isFolder(path))) return path;
  const folder = new RunFolder(path);
  const best = await bestFile(folder, await folder.readInfo());
  if (best === undefined)
    throw new OneSpikeError('ERR_STATE', `Expected a run with a trained network for ${key} but ${path} holds none yet`);
  return best;
}

/**
 * The final model, or else the furthest that an unfinished run has come: one that continues after its end has an older
 * final model.
 */
async function bestFile(folder: RunFolder, info: RunInfo): Promise<string | undefined> {
  const parts = ['snn-best', 'converted', 'binary-best', 'ann-best'].map((name) =>
    folder.checkpoint(`${name}.safetensors`),
  );
  const candidates = info.results === undefined ? [...parts, folder.modelPath] : [folder.modelPath, ...parts];
  for (const candidate of candidates) if (await folder.has(candidate)) return candidate;
  return undefined;
}
