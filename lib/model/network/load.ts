// The tensors of a file for a network that exists.
import { OneSpikeError } from '../../errors';
import type { ResolvedNetwork } from '../description';
import { withoutGeneTensors } from '../genes/genes';
import { readModel } from '../model-file';
import { carryParameters, isSchedule, type FloatTensor } from '../parameters';
import type { TensorShape } from './state';

/**
 * The tensors of a model file, or of one without an architecture, as the network `description` takes them: of schedules
 * for other time steps the first steps, or the last one repeated. Errors: ERR_IO, ERR_FORMAT, ERR_SHAPE.
 */
export async function tensorsFor(
  path: string,
  description: ResolvedNetwork,
  wanted: readonly TensorShape[],
): Promise<Map<string, FloatTensor>> {
  const { network, tensors: stored } = await readModel(path, description);
  const { timesteps, schedules } = description;
  // A network without genes takes the weights that follow from those of the file.
  const wantedOnes = description.genes === undefined ? withoutGeneTensors(stored) : stored;
  const tensors = carryParameters(wantedOnes, timesteps);
  const optional = schedules && !network.schedules;
  const missing = wanted.find(({ name }) => !tensors.has(name) && !(optional && isSchedule(name)));
  if (missing !== undefined)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected a tensor ${missing.name} for ${path} but received none: it holds another network`,
    );
  return tensors;
}
