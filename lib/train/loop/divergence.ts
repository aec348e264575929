/** The end of a run whose numbers have left the range of floating point. */
import { OneSpikeError } from '../../errors';
import type { Phase } from '../run/events';
import type { Session } from './session';

/** ERR_STATE with the place (`where`), the layer, the checkpoint to go back to, and what to change. */
export function divergence(
  session: Session,
  phase: Phase,
  where: string,
  stats: { loss: number; badLayer: number; gradientNorm?: number },
): OneSpikeError {
  const { folder, network } = session;
  const layer = network.description.layers[stats.badLayer];
  const first = layer === undefined ? 'in the gradient' : `first in layers.${stats.badLayer} (${layer.type})`;
  const value = Number.isFinite(stats.loss) ? `a gradient norm of ${stats.gradientNorm}` : `a loss of ${stats.loss}`;
  return new OneSpikeError(
    'ERR_STATE',
    `Expected a finite loss in phase ${phase}, ${where} but received ${value}, non-finite ${first}. ` +
      `The last good checkpoint is ${folder.checkpoint('last.safetensors')}. Lower ${phase}.optimizer.learningRate, or set ${phase}.optimizer.clipNorm.`,
  );
}
