// Incremental time steps: a spiking phase that begins with fewer of them than it ends with.
import { expected } from '../../check';
import type { TrainConfig } from './config';

type Stepped = Pick<TrainConfig, 'model' | 'snn' | 'minutes'>;

/** Errors: ERR_ARG, naming the fault. */
export function checkIncremental({ model, snn, minutes }: Stepped): void {
  const name = 'snn.incremental';
  let before = 0;
  let epochs = 0;
  snn.incremental.forEach((entry, i) => {
    const { timesteps } = entry;
    if (timesteps <= before || timesteps >= model.timesteps) {
      const what = `an integer above ${before} and below ${model.timesteps} (model.timesteps)`;
      throw expected(what, `${name}[${i}].timesteps`, timesteps);
    }
    before = timesteps;
    epochs += entry.epochs;
  });
  if (epochs === 0) return;
  if (minutes !== undefined)
    throw expected('an empty list with minutes, which choose the epochs', name, snn.incremental);
  if (epochs >= snn.epochs) throw expected(`fewer than ${snn.epochs} epochs in all (snn.epochs)`, name, epochs);
  if (snn.patience > 0) throw expected('0 with snn.incremental', 'snn.patience', snn.patience);
  if (snn.timeWeights !== undefined)
    throw expected('no weights with snn.incremental', 'snn.timeWeights', snn.timeWeights);
}

/** The time steps of the network in an epoch of the spiking phase, counted from 0. */
export function timestepsAt({ model, snn }: Pick<Stepped, 'model' | 'snn'>, epoch: number): number {
  let end = 0;
  for (const { timesteps, epochs } of snn.incremental) {
    end += epochs;
    if (epoch < end) return timesteps;
  }
  return model.timesteps;
}
