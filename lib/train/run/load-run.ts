/** A run from its folder: configuration, metrics, and the network it ended with. */
import { checkOptions, checkSignal, checkString } from '../../check';
import type { LoadedDataset } from '../../data';
import { OneSpikeError } from '../../errors';
import { absolutePath, shellWord } from '../../io/paths';
import { isFolder } from '../../io/status';
import { Network, type NetworkOptions } from '../../model/network';
import type { TrainConfig } from '../config/config';
import type { ConvertedEvent, DoneEvent, EpochEvent } from './events';
import { inDirectory, loadConfigured } from '../loop/model';
import { RunFolder, runPrecision, type RunInfo } from './run-folder';

export interface Run {
  path: string;
  /** run.json. */
  info: RunInfo;
  config: TrainConfig;
  classes: string[];
  /** metrics.jsonl: epochs and conversion, in order. */
  metrics: (EpochEvent | ConvertedEvent)[];
  /** The `done` event; undefined while the run is unfinished. */
  results: DoneEvent | undefined;
  /** `ann` if the network is not spiking, or not yet. */
  mode: 'ann' | 'snn';
  /** A new network with the best parameters so far, of the run's precision unless another is asked for; the caller disposes of it. Errors: ERR_STATE if nothing was saved yet. */
  network(options?: NetworkOptions): Promise<Network>;
  /** The images of the run, from `directory` if they have moved there. */
  dataset(options?: { signal?: AbortSignal; directory?: string | undefined }): Promise<LoadedDataset>;
}

/** Errors: ERR_IO if there is no run at `path`, ERR_FORMAT. */
export async function loadRun(path: string): Promise<Run> {
  const folder = new RunFolder(absolutePath(checkString(path, 'path')));
  const info = await folder.readInfo();
  const metrics = (await folder.readMetrics()) as unknown as (EpochEvent | ConvertedEvent)[];
  const best = await bestFile(folder, info);
  const spiking = info.config.convert.enabled || info.config.snn.epochs > 0;
  return {
    path: folder.path,
    info,
    config: info.config,
    classes: info.dataset.classes,
    metrics,
    results: info.results,
    mode: spiking && best !== folder.checkpoint('ann-best.safetensors') ? 'snn' : 'ann',
    network: async (options = {}) => {
      if (best === undefined) {
        throw new OneSpikeError(
          'ERR_STATE',
          `Expected a trained network in ${folder.path} but received none yet; go on with \`onespike resume ${shellWord(folder.path)}\``,
        );
      }
      return Network.open(best, { seed: info.seed, precision: runPrecision(info), ...options });
    },
    dataset: async (options) => {
      const { signal, directory } = checkOptions(options, 'options', ['signal', 'directory']);
      const config = inDirectory(info.config, directory as string | undefined);
      return loadConfigured(config, folder.path, checkSignal(signal, 'signal'));
    },
  };
}

/** The file of the network that `path` names: a model file itself, or a run with the best network so far. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function modelFile(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const folder = new RunFolder(path);
  const best = await bestFile(folder, await folder.readInfo());
  if (best === undefined)
    throw new OneSpikeError('ERR_STATE', `Expected a run with a trained network for init but ${path} holds none yet`);
  return best;
}

/** The final model, or else the furthest that an unfinished run has come: one that goes on after its end has an older final model. */
async function bestFile(folder: RunFolder, info: RunInfo): Promise<string | undefined> {
  const parts = ['snn-best', 'converted', 'ann-best'].map((name) => folder.checkpoint(`${name}.safetensors`));
  const candidates = info.results === undefined ? [...parts, folder.modelPath] : [folder.modelPath, ...parts];
  for (const candidate of candidates) if (await folder.has(candidate)) return candidate;
  return undefined;
}
