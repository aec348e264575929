// The tensors of a file for a network that exists.
import { OneSpikeError } from '../../errors';
import { codeTensors, type Code } from '../code/code';
import { forPlainPixels } from '../code/pixels';
import type { ResolvedNetwork } from '../description';
import { withoutGeneTensors } from '../genes/genes';
import { readModel } from '../model-file';
import { carryParameters, isSchedule, type FloatTensor } from '../parameters';
import type { TensorShape } from './state';

/**
 * The tensors of a model file, or of one without an architecture, as the network `description` takes them: of schedules
 * for other time steps the first steps, or the last one repeated; for a network with a code the weights of one without,
 * and where its code takes pixels as they are, those for such pixels.
 * Errors: ERR_IO, ERR_FORMAT, ERR_SHAPE.
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
  const gainsCode = description.code !== undefined && network.code === undefined;
  const tensors = carryParameters(
    gainsCode ? await forCode(description.code!, network, wantedOnes) : wantedOnes,
    timesteps,
  );
  const gainsSchedules = schedules && !network.schedules;
  const missing = wanted.find(
    ({ name }) =>
      !tensors.has(name) && !(gainsSchedules && isSchedule(name)) && !(gainsCode && isOfCode(name, description.code!)),
  );
  if (missing !== undefined)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected a tensor ${missing.name} for ${path} but received none: it holds another network`,
    );
  return tensors;
}

/** What a network with a code has as well: weights, biases and normalisation. */
async function forCode(
  { kind }: Code,
  from: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Promise<Map<string, FloatTensor>> {
  const common = new Map([...tensors].filter(([name]) => !/\.(threshold|leak|kappa|theta)$/.test(name)));
  return kind === 'radix' ? forPlainPixels(from, common) : common;
}

function isOfCode(name: string, code: Code): boolean {
  return codeTensors(code).some((tensor) => name.endsWith(`.${tensor}`));
}
