/** A model file where a run is expected: what a configuration or an evaluation takes from it. */
import { checkOneOf } from '../../check';
import { datasetNames, type LoadedDataset } from '../../data';
import { readModel } from '../../model/model-file';
import { Network, type Mode } from '../../model/network';
import { resolveConfig, type TrainConfigInput } from '../config/config';
import { inDirectory, loadConfigured } from '../loop/model';
import { modelFile, type Run } from './load-run';

/** The part of a configuration that describes the network of a model file or of a run, as `model` has it. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function modelConfig(path: string): Promise<Exclude<TrainConfigInput, string>> {
  const { network } = await readModel(await modelFile(path));
  const { name, ...model } = network;
  return { model: name === '' ? model : { name, ...model } };
}

/** What an evaluation needs of a run. */
export type EvaluatedRun = Pick<Run, 'path' | 'mode' | 'network' | 'dataset'> & { batch: number };

/** A model file, to be evaluated on a data set. Errors: ERR_IO, ERR_FORMAT, ERR_ARG. */
export async function loadModel(path: string, options: { dataset: string; mode?: Mode }): Promise<EvaluatedRun> {
  const { extra } = await readModel(path);
  const name = checkOneOf(options.dataset, 'the data set', datasetNames);
  const config = resolveConfig({ dataset: { name } });
  return {
    path,
    mode: options.mode ?? (extra['mode'] === 'ann' ? 'ann' : 'snn'),
    batch: config.evaluation.batch,
    network: (given) => Network.open(path, given),
    dataset: async ({ signal, directory } = {}): Promise<LoadedDataset> =>
      loadConfigured(inDirectory(config, directory), path, signal),
  };
}
