/** A run from its folder: configuration, metrics, and the network it ended with. */
import { resolve } from 'node:path';
import { checkOptions, checkSignal, checkString } from '../../check';
import type { LoadedDataset } from '../../data';
import { OneSpikeError } from '../../errors';
import { readModel } from '../../model/model-file';
import { Network, type NetworkOptions } from '../../model/network';
import type { TrainConfig } from '../config/config';
import { changedParts, changeWarning, checkClasses } from './data-record';
import type { ConvertedEvent, DoneEvent, EpochEvent } from './events';
import { loadConfigured } from '../loop/model';
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
  /**
   * The images of the run; `warnings` tell if they are not those that it was trained on.
   * Errors: ERR_STATE if their classes are not the run's.
   */
  dataset(options?: { signal?: AbortSignal }): Promise<LoadedDataset>;
}

/** Errors: ERR_IO if there is no run at `path`, ERR_FORMAT. */
export async function loadRun(path: string): Promise<Run> {
  const folder = new RunFolder(resolve(checkString(path, 'path')));
  const info = await folder.readInfo();
  const metrics = (await folder.readMetrics()) as unknown as (EpochEvent | ConvertedEvent)[];
  const best = await bestFile(folder);
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
          `Expected a trained network in ${folder.path} but received none yet; go on with \`onespike resume ${folder.path}\``,
        );
      }
      const { network: description, tensors, extra } = await readModel(best);
      if (extra.classes !== undefined) checkClasses(info.dataset, JSON.parse(extra.classes) as string[], best);
      const network = await Network.create(description, {
        seed: info.seed,
        precision: runPrecision(info),
        ...options,
      });
      network.setParameters(tensors);
      return network;
    },
    dataset: async (options) => {
      const { signal } = checkOptions(options, 'options', ['signal']);
      const loaded = await loadConfigured(info.config, folder.path, checkSignal(signal, 'signal'));
      checkClasses(info.dataset, loaded.train.classes, `the data set ${loaded.name}`);
      const changed = await changedParts(info.dataset, loaded);
      const changes = changed.map((part) => changeWarning(info.dataset, loaded, part));
      return { ...loaded, warnings: [...changes, ...loaded.warnings] };
    },
  };
}

/** The final model, or else the furthest that an unfinished run has come. */
async function bestFile(folder: RunFolder): Promise<string | undefined> {
  const candidates = [
    folder.modelPath,
    ...['snn-best', 'converted', 'ann-best'].map((name) => folder.checkpoint(`${name}.safetensors`)),
  ];
  for (const candidate of candidates) if (await folder.has(candidate)) return candidate;
  return undefined;
}
