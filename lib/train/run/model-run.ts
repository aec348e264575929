/** A model file where a run is expected: what a configuration or an evaluation takes from it. */
import type { DatasetName } from '../../data';
import { isFolder } from '../../io/status';
import { readModel } from '../../model/model-file';
import { Network } from '../../model/network';
import { resolveConfig, type TrainConfigInput } from '../config/config';
import { inDirectory, loadConfigured } from '../loop/model';
import { PHASES, type Phase } from './events';
import { loadRun, modelFile, type Run } from './load-run';

/** The part of a configuration that describes the network of a model file or of a run, as `model` has it. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function modelConfig(path: string): Promise<Exclude<TrainConfigInput, string>> {
  const { network } = await readModel(await modelFile(path));
  const { name, ...model } = network;
  return { model: name === '' ? model : { name, ...model } };
}

/** What an evaluation needs of a run. */
export type EvaluatedRun = Pick<Run, 'path' | 'mode' | 'network' | 'dataset'> & { batch: number };

/**
 * A model file, to be evaluated on a data set as `mode`, or as what it was saved as. Errors: ERR_IO, ERR_FORMAT.
 */
export async function loadModel(path: string, dataset: DatasetName, mode?: Phase): Promise<EvaluatedRun> {
  const { extra } = await readModel(path);
  const config = resolveConfig({ dataset: { name: dataset } });
  return {
    path,
    mode: mode ?? PHASES.find((phase) => phase === extra.mode) ?? 'snn',
    batch: config.evaluation.batch,
    network: (options) => Network.open(path, options),
    dataset: async ({ signal, directory } = {}) => loadConfigured(inDirectory(config, directory), path, { signal }),
  };
}

/** A network, and what it was saved as. */
export interface Trained {
  network: Network;
  mode: Phase;
  /** The names of the classes, where they are known. */
  classes: string[] | undefined;
}

/** The network of a run or of a model file, on the CPU. The caller disposes of it. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function openTrained(path: string): Promise<Trained> {
  if (await isFolder(path)) {
    const run = await loadRun(path);
    return { network: await run.network({ backend: 'cpu', device: undefined }), mode: run.mode, classes: run.classes };
  }
  const { extra } = await readModel(path);
  const classes = extra.classes === undefined ? undefined : (JSON.parse(extra.classes) as string[]);
  const mode = PHASES.find((phase) => phase === extra.mode) ?? 'snn';
  return { network: await Network.open(path, { backend: 'cpu' }), mode, classes };
}
