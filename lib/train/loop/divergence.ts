// The end of a run whose numbers have left the range of floating point.
import { OneSpikeError } from '../../errors';
import { layerName, type LayerId } from '../../model/layer';
import type { StepStats } from '../../model/network';
import type { Phase } from '../run/events';
import type { Session } from './session';

const divergences = new WeakSet<OneSpikeError>();

/** Whether an error is the end of a run whose numbers have left the range. */
export function isDivergence(error: unknown): boolean {
  return error instanceof OneSpikeError && divergences.has(error);
}

/** Errors: ERR_STATE, as of `divergence`, if a number of these steps, the next ones of the epoch, is not finite. */
export function checkFinite(session: Session, steps: readonly StepStats[], phase: Phase): void {
  const { epoch, step } = session.state;
  steps.forEach((stats, i) => {
    if (stats.badLayer !== null || !Number.isFinite(stats.loss) || !Number.isFinite(stats.gradientNorm))
      throw divergence(session, phase, `epoch ${epoch + 1}, step ${step + i + 1}`, stats);
  });
}

/** ERR_STATE with the place (`where`), the layer, the checkpoint to go back to, and what to change. */
export function divergence(
  session: Session,
  phase: Phase,
  where: string,
  stats: { loss: number; badLayer: LayerId | null; gradientNorm?: number },
): OneSpikeError {
  const { folder, network } = session;
  const { badLayer } = stats;
  const first =
    badLayer === null
      ? 'in the gradient'
      : `first in ${layerName(badLayer)} (${network.description.layers[badLayer]!.type})`;
  const value = Number.isFinite(stats.loss) ? `a gradient norm of ${stats.gradientNorm}` : `a loss of ${stats.loss}`;
  const error = new OneSpikeError(
    'ERR_STATE',
    `Expected a finite loss in phase ${phase}, ${where} but received ${value}, non-finite ${first}. ` +
      `The last good checkpoint is ${folder.checkpoint('last.safetensors')}. Lower ${phase}.optimizer.learningRate, or set ${phase}.optimizer.clipNorm.`,
  );
  divergences.add(error);
  return error;
}
