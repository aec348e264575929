/** The network that a run begins with. */
import type { ResolvedNetwork } from '../../model/description';
import { hasNorm, withoutNorm } from '../../model/fold';
import { readModel } from '../../model/model-file';
import type { TrainConfig } from '../config/config';
import { modelFile } from '../run/load-run';

/**
 * The network that a run begins with. The model of an earlier run has its normalisation folded into weights and biases:
 * a run that starts from it goes on without. Errors: ERR_IO, ERR_FORMAT, ERR_STATE, as `modelFile`.
 */
export async function beginningNetwork(
  { init }: Pick<TrainConfig, 'init'>,
  description: ResolvedNetwork,
): Promise<ResolvedNetwork> {
  if (init === undefined || !hasNorm(description)) return description;
  const { network } = await readModel(await modelFile(init));
  return hasNorm(network) ? description : withoutNorm(description);
}
