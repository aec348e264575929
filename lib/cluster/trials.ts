// The trials of a study: which values each of them has, and the configuration that follows.
import { OneSpikeError } from '../errors';
import { SeededRandom } from '../data/random';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../train/config/config';
import { mergeConfig } from '../train/config/merge';
import { lastPhase } from '../train/run/state';
import type { Range, Study } from './study';

/** One training of a study. */
export interface Trial {
  /** The number of the trial, from 1. */
  trial: number;
  /** The number of its candidate, from 1: trials of a candidate differ in their seeds alone. */
  candidate: number;
  /** The seed of the training. */
  seed: number;
  /** Key of the configuration to the value that it has; of a candidate with a name `arm` to that. */
  parameters: Record<string, unknown>;
}

/** The trials, candidate by candidate. The same study gives the same trials, wherever it runs. */
export function trialsOf(study: Study): Trial[] {
  const candidates = candidatesOf(study);
  return candidates.flatMap((parameters, c) =>
    study.seeds.map((seed, s) => ({ trial: c * study.seeds.length + s + 1, candidate: c + 1, seed, parameters })),
  );
}

function candidatesOf(study: Study): Record<string, unknown>[] {
  if (study.method === 'arms') return Object.keys(study.arms!).map((arm) => ({ arm }));
  return study.method === 'grid' ? gridOf(study) : drawsOf(study);
}

/** Every combination of the values; the last key changes fastest. */
function gridOf({ parameters }: Study): Record<string, unknown>[] {
  return Object.entries(parameters).reduce<Record<string, unknown>[]>(
    (all, [key, values]) =>
      all.flatMap((before) => (values as unknown[]).map((value) => ({ ...before, [key]: value }))),
    [{}],
  );
}

const STREAM = 0x737765;

function drawsOf({ parameters, trials, drawSeed }: Study): Record<string, unknown>[] {
  // A generator for every draw, so that more trials begin with the same ones.
  return Array.from({ length: trials! }, (_, i) => {
    const random = new SeededRandom(drawSeed, STREAM, i);
    return Object.fromEntries(Object.entries(parameters).map(([key, values]) => [key, draw(values, random)]));
  });
}

function draw(values: unknown[] | Range, random: SeededRandom): unknown {
  if (Array.isArray(values)) return values[random.below(values.length)];
  const { min, max, scale, integer } = values;
  const value = scale === 'log' ? Math.exp(random.between(Math.log(min), Math.log(max))) : random.between(min, max);
  // Six digits say as much as anybody can compare, and are short in a table.
  return Math.min(max, Math.max(min, integer ? Math.round(value) : Number(value.toPrecision(6))));
}

/** Errors: ERR_ARG, naming the trial and the key. */
export function trialConfig(study: Study, { trial, parameters, seed }: Trial, stage = 0): TrainConfig {
  const values = Object.entries(parameters).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const arm = study.arms?.[parameters.arm as string];
  try {
    const config =
      arm === undefined
        ? resolveConfig(study.config as TrainConfigInput, [...values, `seed=${seed}`])
        : resolveConfig(mergeConfig(study.config, arm) as TrainConfigInput, [`seed=${seed}`]);
    const { halving } = study;
    if (halving === undefined) return config;
    const phase = lastPhase(config);
    return { ...config, [phase]: { ...config[phase], epochs: stageEpochs(halving, stage) } };
  } catch (cause) {
    if (!(cause instanceof OneSpikeError)) throw cause;
    throw new OneSpikeError(cause.code, `${cause.message} (trial ${trial}: ${values.join(', ') || 'no parameters'})`, {
      cause,
    });
  }
}

/** The epochs that a candidate has in all by the end of a stage, counted from 0. */
export function stageEpochs({ epochs, factor }: { epochs: number; factor: number }, stage: number): number {
  return epochs * factor ** stage;
}

/** Errors: ERR_ARG if any trial has a configuration that cannot be trained, or none to compare it by. */
export function checkTrials(study: Study, trials: readonly Trial[]): void {
  for (const trial of trials) {
    const config = trialConfig(study, trial);
    // A folder may bring validation images of its own.
    if (config.dataset.validation === 0 && config.dataset.name !== 'folder')
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected dataset.validation above 0, because trials are compared by their validation images, but received 0 (trial ${trial.trial})`,
      );
    if (study.halving !== undefined) checkStages(config, trial);
  }
}

/** Errors: ERR_ARG for what cannot be together with stages. */
function checkStages(config: TrainConfig, { trial, parameters }: Trial): void {
  const phase = lastPhase(config);
  const refuse = (key: string, why: string): OneSpikeError =>
    new OneSpikeError('ERR_ARG', `Expected no ${key} beside halving, ${why}, but received one (trial ${trial})`);
  if (config[phase].patience > 0) throw refuse(`${phase}.patience`, 'which gives more epochs to what has ended');
  if (`${phase}.epochs` in parameters) throw refuse(`${phase}.epochs`, 'which sets it');
}
