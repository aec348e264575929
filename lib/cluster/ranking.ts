// Trials compared: mean and standard deviation over the seeds of a candidate, the best first.
import type { Study } from './study';
import type { Trial } from './trials';

/** The result of a trial, or of one stage of it. */
export interface TrialResult extends Trial {
  /** The stage of successive halving that it ended, counted from 0; 0 for the other methods. */
  stage: number;
  /** `done`; `diverged` if the loss was no longer finite; `failed` if it could not be trained. */
  status: 'done' | 'diverged' | 'failed';
  /** The accuracy of the best epoch on the validation images; null unless it is done. */
  validationAccuracy: number | null;
  /** The accuracy on the test images; null unless it is done. */
  testAccuracy: number | null;
  /** The mean number of spikes per hidden neuron and image; null without a spiking network. */
  spikesPerNeuron: number | null;
  /** The energy of the ANN over that of the spiking network; null where it was not counted. */
  energyRatio: number | null;
  /** The wall time of the run so far, in seconds. */
  seconds: number;
  /** The folder of the run, within that of the study. */
  run: string;
  /** Why it is not done. */
  error?: string;
}

/** A mean over seeds, with the standard deviation of a sample; 0 for one seed. */
export interface Spread {
  mean: number;
  deviation: number;
}

/** A candidate with what its trials have in common. */
export interface RankedCandidate {
  /** The place, from 1. */
  rank: number;
  /** The number of the candidate. */
  candidate: number;
  /** Key of the configuration to the value that it has. */
  parameters: Record<string, unknown>;
  /** The last stage that it ended. */
  stage: number;
  /** The number of its trials that are done, and of all that have ended. */
  done: number;
  ended: number;
  /** Over the trials that are done; null if there are none. */
  validationAccuracy: Spread | null;
  testAccuracy: Spread | null;
  spikesPerNeuron: Spread | null;
  energyRatio: Spread | null;
}

export function spreadOf(values: readonly number[]): Spread | null {
  const count = values.length;
  if (count === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: count === 1 ? 0 : Math.sqrt(squares / (count - 1)) };
}

/** The result of the last stage of every trial, in the order of the trials. */
export function lastResults(results: readonly TrialResult[]): TrialResult[] {
  const last = new Map<number, TrialResult>();
  for (const result of results)
    if ((last.get(result.trial)?.stage ?? -1) < result.stage) last.set(result.trial, result);
  return [...last.values()].sort((a, b) => a.trial - b.trial);
}

/**
 * Candidates that came further first, then those whose trials all ended well, then by validation accuracy; of equal
 * ones the earlier candidate.
 */
export function rank(results: readonly TrialResult[]): RankedCandidate[] {
  const groups = new Map<number, TrialResult[]>();
  for (const result of lastResults(results))
    groups.set(result.candidate, [...(groups.get(result.candidate) ?? []), result]);
  const ranked = [...groups.values()].map((trials): Omit<RankedCandidate, 'rank'> => {
    const done = trials.filter(({ status }) => status === 'done');
    const over = (key: 'validationAccuracy' | 'testAccuracy' | 'spikesPerNeuron' | 'energyRatio'): Spread | null =>
      spreadOf(done.flatMap((trial) => trial[key] ?? []));
    return {
      candidate: trials[0]!.candidate,
      parameters: trials[0]!.parameters,
      stage: Math.max(...trials.map(({ stage }) => stage)),
      done: done.length,
      ended: trials.length,
      validationAccuracy: over('validationAccuracy'),
      testAccuracy: over('testAccuracy'),
      spikesPerNeuron: over('spikesPerNeuron'),
      energyRatio: over('energyRatio'),
    };
  });
  type Group = (typeof ranked)[number];
  const order: ((group: Group) => number)[] = [
    ({ stage }) => stage,
    ({ done, ended }) => done / ended,
    ({ validationAccuracy }) => validationAccuracy?.mean ?? -1,
    ({ candidate }) => -candidate,
  ];
  const compare = (a: Group, b: Group): number => {
    for (const key of order) if (key(a) !== key(b)) return key(b) - key(a);
    return 0;
  };
  return ranked.sort(compare).map((group, i) => ({ rank: i + 1, ...group }));
}

/**
 * The trials of a stage: all in the first one, then those of the best candidates of the stage before, one in `factor`
 * of them. Undefined while the stage before has not ended.
 */
export function trialsOfStage(
  study: Study,
  trials: readonly Trial[],
  results: readonly TrialResult[],
  stage: number,
): Trial[] | undefined {
  if (stage === 0) return [...trials];
  const before = trialsOfStage(study, trials, results, stage - 1);
  const ended = results.filter((result) => result.stage === stage - 1);
  if (before === undefined || ended.length < before.length) return undefined;
  const candidates = before.length / study.seeds.length;
  const best = rank(ended)
    .filter(({ done, ended }) => done === ended)
    .slice(0, Math.max(1, Math.floor(candidates / study.halving!.factor)))
    .map(({ candidate }) => candidate);
  return before.filter(({ candidate }) => best.includes(candidate));
}

/** The number of stages of a study. */
export function stagesOf({ halving }: Study): number {
  return halving?.stages ?? 1;
}
