// What only networks with time steps have, and what only those with a code have.
import { expected } from '../../check';
import type { TrainConfig } from './config';

/**
 * What has no effect on a network, or would be refused only by its spiking phase, hours later, is refused now.
 * Errors: ERR_ARG, naming the key.
 */
export function checkCodeStages({ model, binary, snn }: Pick<TrainConfig, 'model' | 'binary' | 'snn'>): void {
  const { code } = model;
  if (code === undefined) {
    if (snn.code !== undefined) throw expected('nothing (the model has no code)', 'snn.code', snn.code);
    return;
  }
  if (binary.epochs > 0) throw expected('0 (a network with a code has no thresholds)', 'binary.epochs', binary.epochs);
  if (snn.relaxation > 0)
    throw expected('0 (that of a network with a code is snn.code.relaxation)', 'snn.relaxation', snn.relaxation);
  const timeless = 'a network with a code has no time steps';
  if (snn.activity.strength > 0) throw expected(`0 (${timeless})`, 'snn.activity.strength', snn.activity.strength);
  if (snn.timeWeights !== undefined) throw expected(`nothing (${timeless})`, 'snn.timeWeights', snn.timeWeights);
  if (snn.incremental.length > 0) throw expected(`an empty list (${timeless})`, 'snn.incremental', snn.incremental);
  const { kernelPenalty = 0, spikePenalty = 0 } = snn.code ?? {};
  if (kernelPenalty > 0 && code.kind !== 'ttfs')
    throw expected(
      `0 (${code.kind} has no time constants and delays to hold)`,
      'snn.code.kernelPenalty',
      kernelPenalty,
    );
  // Where the layers come from a file, they are not known here.
  const normed = model.norm === 'batch' || (model.layers ?? []).some(({ norm }) => norm === 'batch');
  if (spikePenalty > 0 && !normed)
    throw expected('0 (no layer is normalised, model.norm)', 'snn.code.spikePenalty', spikePenalty);
}
