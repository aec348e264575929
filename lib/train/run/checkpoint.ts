// A checkpoint: the tensors of the network and of its optimiser, and the state of the run, in one file.
import {
  finite,
  formatOne,
  integerOf,
  listOf,
  notNegative,
  objectOf,
  oneOf,
  parse,
  share,
  text,
} from '../../check/schema';
import { OneSpikeError } from '../../errors';
import { readModel, writeModel, type ModelFile } from '../../model/model-file';
import type { Network } from '../../model/network';
import type { TrainState } from './state';

const count = integerOf(0);
const accuracy = share.nullable();
// Runs of older versions know no CPU time: theirs is that since they were resumed.
const cpuSeconds = notNegative.default(0);
const best = objectOf({
  epoch: count,
  accuracy,
  loss: finite.nullable(),
  // Older versions choose by accuracy alone.
  excess: notNegative.default(0),
  // A name within checkpoints/, never a way out of it.
  file: text.regex(/^[\w-]+\.safetensors$/, { error: 'the name of a file within checkpoints/' }),
}).nullable();
const stateSchema = objectOf({
  format: formatOne,
  stage: oneOf(['ann', 'binary', 'convert', 'snn', 'finish']),
  epoch: count,
  step: count,
  sums: objectOf({
    loss: finite,
    correct: count,
    count,
    spikes: listOf(notNegative, 'a list of numbers'),
    seconds: notNegative,
    cpuSeconds,
  }),
  // Runs of older versions know no binary phase.
  best: objectOf({ ann: best, binary: best.default(null), snn: best }),
  metricsBytes: count,
  seconds: notNegative,
  cpuSeconds,
  annTestAccuracy: accuracy,
  // Older versions report one of the two ANNs alone.
  binaryTestAccuracy: accuracy.default(null),
  convertedTestAccuracy: accuracy,
  // Runs of older versions know no activity target.
  counters: objectOf({ optimizerSteps: count, randomStep: count, activity: share.default(0) }),
});

/** Writes `path` atomically: after a crash it holds the old checkpoint or the new one, never a part of either. */
export async function saveCheckpoint(path: string, network: Network, state: TrainState): Promise<void> {
  // The counters are those of the state: the network's own may be those of an evaluation that was broken off.
  await writeModel(path, network.description, await network.parameters(), {
    slots: (await network.optimizerState()).slots,
    extra: { state: JSON.stringify(state) },
  });
}

/** A checkpoint as it was read. */
export interface Checkpoint extends Pick<ModelFile, 'network' | 'tensors' | 'slots'> {
  state: TrainState;
}

/** Errors: ERR_FORMAT, ERR_IO. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { extra, ...file } = await readModel(path);
  return { ...file, state: parseState(extra.state, path) };
}

/** Puts a checkpoint into `network`, which has the architecture of the file. */
export async function loadCheckpoint({ tensors, slots, state }: Checkpoint, network: Network): Promise<TrainState> {
  await network.setParameters(tensors);
  await network.setOptimizerState({ slots, counters: state.counters });
  return state;
}

function parseState(json: string | undefined, path: string): TrainState {
  try {
    return parse(stateSchema, JSON.parse(json ?? 'null'), 'the state', 'ERR_FORMAT');
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a checkpoint of format 1 for ${path} but received a fault: ${(cause as Error).message}`,
      { cause },
    );
  }
}
