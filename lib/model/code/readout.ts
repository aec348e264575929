// What anytime predictions need to know of a network.
import { OneSpikeError } from '../../errors';
import type { NativeNetwork } from '../../native/network';
import type { AnytimeOptions } from '../anytime';
import type { ResolvedNetwork } from '../description';
import { layerName } from '../layer';
import { readParametersJob, type TensorShape } from '../network/state';

/**
 * Checks the options of `Network.anytime`, and returns the job that reads what its logits are made with. Errors:
 * ERR_ARG for a network with a code, whose answer comes after its last step alone.
 */
export function readoutJob(
  native: NativeNetwork,
  { timesteps, alpha, beta, code, layers }: ResolvedNetwork,
  tensors: readonly TensorShape[],
  options: unknown,
): () => Promise<AnytimeOptions> {
  if (code !== undefined)
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected no code for anytime: a network with a code answers after its last step',
    );
  const last = layerName(layers.length - 1);
  const only = tensors.filter(({ name }) => name === `${last}.threshold` || name === `${last}.theta`);
  const read = readParametersJob(native, only, options);
  return async () => {
    const values = await read();
    const threshold = values.get(`${last}.threshold`)!.data[0]!;
    const theta = values.get(`${last}.theta`)?.data;
    return { classes: layers.at(-1)!.out, timesteps, threshold, theta, alpha, beta };
  };
}
