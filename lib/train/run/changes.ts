// What `resume` may change in a run, and where a finished run continues.
import { expected, isPlainObject } from '../../check';
import { OneSpikeError } from '../../errors';
import { hostInfo } from '../../native/devices';
import { parseConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import { mergeConfig, type PlainObject } from '../config/merge';
import { PHASES, type DoneEvent, type Phase } from './events';
import type { RunInfo } from './run-folder';
import { emptySums, isOutOfPatience, isPhase, lastPhase, STAGES, type TrainState } from './state';

/** A change of the configuration, as run.json records it. */
export interface ConfigChange {
  /** The time of the change (ISO 8601). */
  time: string;
  /** The version of onespike that changed it. */
  version: string;
  /** Where the run stood. */
  at: { stage: string; epoch: number; step: number };
  /** Key to the value before and the one from then on. */
  set: Record<string, { from: unknown; to: unknown }>;
  /** The results of the run until then, if it was finished. */
  results?: DoneEvent;
}

/** A configuration with what differs from the one before. */
export interface ChangedConfig {
  config: TrainConfig;
  set: ConfigChange['set'];
}

/**
 * Keys whose change leaves everything that was computed before valid. Batches stay: a position within an epoch counts
 * them.
 */
const changeable = [
  /^(ann|binary|snn)\.epochs$/,
  /^(ann|binary|snn)\.optimizer\.(learningRate|neuronLearningRate|momentum|weightDecay|beta1|beta2|epsilon|clipNorm)$/,
  /^(ann|binary|snn)\.schedule\./,
  /^(ann|binary|snn)\.augment\./,
  /^(ann|binary|snn)\.(labelSmoothing|patience)$/,
  /^(ann|binary|snn)\.distillation\.(weight|temperature)$/,
  /^(binary|snn)\.activity\.(target|strength)$/,
  /^snn\.timeWeights$/,
  /^evaluation\.batch$/,
  /^energy\.images$/,
  /^checkpoint\.seconds$/,
];

/** What to do instead, for keys that have a way of their own. */
const instead: Record<string, string> = {
  'dataset.directory': '--data DIR (`directory`) says where the same images are now',
  backend: '--backend NAME (`backend`) names another one',
  device: '--device N (`device`) names another one',
  threads: '--threads N (`threads`) sets another number',
};

/** The leaves of a configuration by path; a list is a leaf. */
function leaves(value: unknown, path = ''): Map<string, unknown> {
  if (!isPlainObject(value)) return new Map([[path, value]]);
  return new Map(
    Object.entries(value).flatMap(([key, item]) => [...leaves(item, path === '' ? key : `${path}.${key}`)]),
  );
}

/**
 * The configuration of a run with `changes`, any part of a configuration, and what differs.
 * Errors: ERR_ARG, naming the first key that a run cannot change.
 */
export function changeConfig(config: TrainConfig, changes: TrainConfigInput): ChangedConfig {
  if (!isPlainObject(changes)) throw expected('a part of a configuration', 'changes', changes);
  for (const key of leaves(changes).keys()) {
    if (changeable.some((pattern) => pattern.test(key))) continue;
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected a key that a run can change but received '${key}': ` +
        (instead[key] ??
          'epochs, rates of the optimizer, schedule, augment, labelSmoothing, patience, distillation, activity and timeWeights of a phase that is not over, evaluation.batch, energy.images and ' +
            'checkpoint.seconds can; for anything else start a new run, from this network with init=RUN'),
    );
  }
  const changed = parseConfig(mergeConfig(config as unknown as PlainObject, changes));
  const before = leaves(config);
  const set: ConfigChange['set'] = {};
  for (const [key, to] of leaves(changed)) {
    const from = before.get(key) ?? null;
    if (JSON.stringify(from) !== JSON.stringify(to)) set[key] = { from, to };
  }
  return { config: changed, set };
}

/**
 * Where a run stands with a changed configuration: back in its last phase if it had come to its end and now has more
 * epochs, otherwise where it stood. Errors: ERR_ARG, naming a change of a phase that is over, and epochs that are over
 * or add nothing.
 */
export function continueWith(state: TrainState, before: TrainConfig, { config, set }: ChangedConfig): TrainState {
  const ended = state.stage === 'finish';
  const last = lastPhase(before);
  const isOver = (phase: Phase): boolean =>
    ended ? phase !== last : STAGES.indexOf(phase) < STAGES.indexOf(state.stage);
  const over = PHASES.filter(isOver);
  const late = Object.keys(set).find((key) => over.some((phase) => key.startsWith(`${phase}.`)));
  if (late !== undefined) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected no change of '${late}' but received ${JSON.stringify(set[late]!.to)}: the phase is over in this run; ` +
        'a new run can start from its network with init=RUN',
    );
  }
  const phase = ended ? last : state.stage;
  if (!isPhase(phase)) return state;
  const made = ended ? epochsMade(state, before[phase], phase) : state.epoch;
  const begun = ended || state.step === 0 ? made : made + 1;
  const { epochs, patience } = config[phase];
  const asked = Object.keys(set).some((key) => key.startsWith(`${phase}.`));
  if (epochs > made && isOutOfPatience({ ...state, epoch: made }, phase, patience)) {
    if (!asked) return state;
    const most = made - state.best[phase]!.epoch;
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected 0 or more than ${most} for ${phase}.patience, so many epochs after the best one, but received ${patience}`,
    );
  }
  const idle = ended && epochs === begun && asked;
  if (epochs < begun || idle) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected ${idle ? 'more than' : 'at least'} ${begun} for ${phase}.epochs, which the run has ${ended ? 'completed' : 'begun'}, but received ${epochs}`,
    );
  }
  if (!ended || epochs === begun) return state;
  return { ...state, stage: phase, epoch: begun, step: 0, sums: emptySums(state.sums.spikes.length) };
}

/** The number of epochs that a stage made which has come to its end, be it for lack of patience. */
function epochsMade({ best }: TrainState, { epochs, patience }: TrainConfig[Phase], phase: Phase): number {
  const last = best[phase];
  return patience > 0 && last !== null ? Math.min(epochs, last.epoch + patience) : epochs;
}

/**
 * What run.json says from now on; `info` itself if nothing is new. A finished run that continues has no results until
 * its next end.
 */
export function recordChange(
  info: RunInfo,
  { config, set }: ChangedConfig,
  { stage, epoch, step }: TrainState,
): RunInfo {
  if (Object.keys(set).length === 0) {
    const moved = config.dataset.directory !== info.config.dataset.directory;
    return moved ? { ...info, config } : info;
  }
  const { results, ...rest } = info;
  const change: ConfigChange = {
    time: new Date().toISOString(),
    version: hostInfo().version,
    at: { stage, epoch, step },
    set,
    ...(results === undefined ? {} : { results }),
  };
  return { ...rest, config, changes: [...(info.changes ?? []), change] };
}
