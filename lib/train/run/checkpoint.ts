/** A checkpoint: the tensors of the network and of its optimiser, and the state of the run, in one file. */
import { z } from 'zod';
import { OneSpikeError } from '../../errors';
import { readModel, writeModel } from '../../model/model-file';
import type { Network } from '../../model/network';
import type { TrainState } from './state';

const count = z.int().nonnegative();
const share = z.number().nullable();
// A best file is a name within checkpoints/, never a way out of it.
const best = z
  .object({ epoch: count, accuracy: share, loss: share, file: z.string().regex(/^[\w-]+\.safetensors$/) })
  .nullable();
const stateSchema = z.object({
  format: z.literal(1),
  stage: z.enum(['ann', 'convert', 'snn', 'finish']),
  epoch: count,
  step: count,
  sums: z.object({ loss: z.number(), correct: count, count, spikes: z.array(z.number()), seconds: z.number() }),
  best: z.object({ ann: best, snn: best }),
  metricsBytes: count,
  seconds: z.number(),
  annTestAccuracy: share,
  convertedTestAccuracy: share,
  counters: z.object({ optimizerSteps: count, randomStep: count }),
});

/** Writes `path` atomically: after a crash it holds the old checkpoint or the new one, never a part of either. */
export async function saveCheckpoint(path: string, network: Network, state: TrainState): Promise<void> {
  // The counters are those of the state: the network's own may be those of an evaluation that was broken off.
  await writeModel(path, network.description, network.parameters(), {
    slots: network.optimizerState().slots,
    extra: { state: JSON.stringify(state) },
  });
}

/** Puts a checkpoint back into `network`. Errors: ERR_FORMAT, ERR_SHAPE, ERR_IO. */
export async function loadCheckpoint(path: string, network: Network): Promise<TrainState> {
  const { tensors, slots, extra } = await readModel(path);
  let state: TrainState;
  try {
    state = stateSchema.parse(JSON.parse(extra.state ?? 'null'));
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a checkpoint of format 1 for ${path} but received ${(extra.state ?? 'none').slice(0, 40)}`,
      { cause },
    );
  }
  network.setParameters(tensors);
  network.setOptimizerState({ slots, counters: state.counters });
  return state;
}
