/** A checkpoint: the tensors of the network and of its optimiser, and the state of the run, in one file. */
import { OneSpikeError } from '../errors';
import { readModel, writeModel } from '../model/model-file';
import type { Network } from '../model/network';
import type { TrainState } from './state';

/** Writes `path` atomically: after a crash it holds the old checkpoint or the new one, never a part of either. */
export async function saveCheckpoint(path: string, network: Network, state: TrainState): Promise<void> {
  const { slots, counters } = network.optimizerState();
  await writeModel(path, network.description, network.parameters(), { slots, extra: { state: JSON.stringify({ ...state, counters }) } });
}

/** Puts a checkpoint back into `network`. Errors: ERR_FORMAT, ERR_SHAPE, ERR_IO. */
export async function loadCheckpoint(path: string, network: Network): Promise<TrainState> {
  const { tensors, slots, extra } = await readModel(path);
  let stored: (TrainState & { counters: ReturnType<Network['counters']> }) | undefined;
  try {
    stored = JSON.parse(extra.state ?? 'null') ?? undefined;
  } catch {
    // Reported below.
  }
  if (stored?.format !== 1) throw new OneSpikeError('ERR_FORMAT', `Expected a checkpoint of format 1 for ${path} but received ${(extra.state ?? 'none').slice(0, 40)}`);
  const { counters, ...state } = stored;
  network.setParameters(tensors);
  network.setOptimizerState({ slots, counters });
  return state;
}
