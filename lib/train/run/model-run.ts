// A model file where a run is expected: what a configuration or an evaluation takes from it.
import { expected } from '../../check';
import type { DatasetName } from '../../data';
import { parseJson } from '../../io/json-text';
import { readMetadata } from '../../io/safetensors';
import { isFolder } from '../../io/status';
import { readNetwork } from '../../model/model-file';
import { Network, type NetworkOptions } from '../../model/network';
import { resolveConfig, type TrainConfigInput } from '../config/config';
import { inDirectory, loadConfigured } from '../loop/model';
import { PHASES, type Phase } from './events';
import { loadRun, modelFile, type Run } from './load-run';

/**
 * The part of a configuration that describes the network of a model file or of a run, as `model` has it. Errors:
 * ERR_IO, ERR_FORMAT, ERR_STATE.
 */
export async function modelConfig(path: string): Promise<Exclude<TrainConfigInput, string>> {
  const { name, ...model } = await readNetwork(await modelFile(path));
  return { model: name === '' ? model : { name, ...model } };
}

/** What an evaluation needs of a run: with the images of a batch, and those whose operations are counted. */
export type EvaluatedRun = Pick<Run, 'path' | 'mode' | 'network' | 'dataset'> & { batch: number; energyImages: number };

/**
 * A model file, to be evaluated on a data set as `mode`, or as what it was saved as. Errors: ERR_IO, ERR_FORMAT.
 */
export async function loadModel(path: string, dataset: DatasetName, mode?: Phase): Promise<EvaluatedRun> {
  const extra = await readMetadata(path);
  const config = resolveConfig({ dataset: { name: dataset } });
  return {
    path,
    mode: mode ?? savedMode(extra),
    batch: config.evaluation.batch,
    energyImages: config.energy.images,
    network: (options) => Network.open(path, options),
    dataset: async ({ signal, directory } = {}) => loadConfigured(inDirectory(config, directory), path, { signal }),
  };
}

/** What is known of a trained network, whether it is in a run or in a model file. */
export interface TrainedModel {
  path: string;
  /** What it was saved as. */
  mode: Phase;
  /** The names of the classes, where they are known. */
  classes: readonly string[] | undefined;
  /** Creates the network, of which the caller disposes. */
  network: (options?: NetworkOptions) => Promise<Network>;
}

/** A network, and what it was saved as. */
export interface Trained {
  network: Network;
  mode: Phase;
  /** The names of the classes, where they are known. */
  classes: readonly string[] | undefined;
}

/** The network of a run or of a model file. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function trainedAt(path: string): Promise<TrainedModel> {
  if (await isFolder(path)) return loadRun(path);
  const extra = await readMetadata(path);
  return {
    path,
    mode: savedMode(extra),
    classes: classNames(extra, path),
    network: (options) => Network.open(path, options),
  };
}

/**
 * The network of a run or of a model file, on the CPU. The caller disposes of it. Errors: ERR_IO, ERR_FORMAT,
 * ERR_STATE.
 */
export async function openTrained(path: string): Promise<Trained> {
  const { mode, classes, network } = await trainedAt(path);
  return { network: await network({ backend: 'cpu', device: undefined }), mode, classes };
}

function savedMode(extra: Record<string, string>): Phase {
  return PHASES.find((phase) => phase === extra.mode) ?? 'snn';
}

/** The names of the classes in the metadata of a model file. Errors: ERR_FORMAT. */
function classNames({ classes }: Record<string, string>, path: string): string[] | undefined {
  if (classes === undefined) return undefined;
  const names = parseJson(classes, `the classes of ${path}`);
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw expected('a list of names as classes', path, names, 'ERR_FORMAT');
}
