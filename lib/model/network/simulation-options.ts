// What `network.simulate` takes, and the checks that turn it into the numbers of a simulation.
import { checkInteger, checkNumber, checkOneOf, checkOptions, checkSignal, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { LIMITS, within } from '../../native/limits';
import { checkLimited } from '../../native/limited';
import { checkProgress, type JobProgress, type OnProgress } from '../../native/watch';
import { checkPixels } from './inputs';
import type { NetworkSizes } from './forward';

/** The codes in which a network is simulated, in the order of docs/MATHEMATICS.md, "Simulated codes". */
export const SIMULATED_CODES = [
  'rate',
  'direct',
  'phase',
  'burst',
  'ttfs-converted',
  'tsc',
  'one-spike-phase',
] as const;

/** The name of a simulated code. */
export type SimulatedCode = (typeof SIMULATED_CODES)[number];

/** Options of `network.simulate`. Numbers that a code does not have are refused. */
export interface SimulateOptions {
  /** The code. */
  code: SimulatedCode;
  /**
   * The number of time steps: of the simulation (`rate`, `direct`, `phase`, `burst`), or of the window of each layer in
   * codes that work layer after layer. From 1 to 65535; by default 81 for `ttfs-converted` and 24 for
   * `one-spike-phase`.
   */
  timesteps?: number | undefined;
  /**
   * The last step of a window, counted from 0: one less than `timesteps`, in its place. `ttfs-converted` and
   * `one-spike-phase` only.
   */
  window?: number | undefined;
  /** The percentile of its activations that a layer is divided by, from 0 to 100; 99.9 by default. */
  percentile?: number | undefined;
  /** The images (N, C, H, W) whose activations are measured for that; by default those that are simulated. */
  calibration?: Uint8Array | undefined;
  /** What the activations of every hidden layer are divided by, in place of a percentile. */
  activations?: readonly number[] | undefined;
  /**
   * The threshold V of hidden neurons in `rate`, `direct` and `phase`, 1 by default; in `burst` the size of the first
   * spike of a burst, 1/8 by default.
   */
  threshold?: number | undefined;
  /**
   * The time constant of `ttfs-converted`, in steps, from 0.25 to 1000: one number, or one for the input and one per
   * hidden layer. 20 by default.
   */
  timeConstant?: number | readonly number[] | undefined;
  /** The delay of `ttfs-converted`, in steps, in the same form; 0 by default. */
  delay?: number | readonly number[] | undefined;
  /** The base of `one-spike-phase`: a spike at step k counts base^-k. From 1.00101 to 54.5; 1.2 by default. */
  base?: number | undefined;
  /**
   * The number of steps between the windows of two layers in `ttfs-converted` and `one-spike-phase`. A layer begins to
   * fire while the one before still sends where it is less than `timesteps`, which is the default.
   */
  stride?: number | undefined;
  /** The seed of the random numbers of `rate`; that of the network by default. */
  seed?: number | undefined;
  /**
   * The number of the first image, from which `rate` draws; 0 by default. With it, images simulated in several calls
   * have the random numbers of a single call.
   */
  first?: number | undefined;
  /** The number of steps between two recorded predictions; 1 by default. The last step is always recorded. */
  record?: number | undefined;
  /** The steps, counted from 1, after which logits are kept besides the last one. */
  logits?: readonly number[] | undefined;
  /** The signal that stops the job, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
  /** A function that is called a few times per second with the progress. An error that it throws stops the job. */
  onProgress?: ((progress: SimulationProgress) => void) | undefined;
}

/** How far a simulation is: its steps, summed over the images. */
export type SimulationProgress = JobProgress;

/** Options that have been checked. */
export interface CheckedSimulation {
  code: SimulatedCode;
  timesteps: number;
  threshold: number;
  stride: number;
  timeConstants: number[];
  delays: number[];
  percentile: number;
  calibration: Uint8Array | undefined;
  activations: number[] | undefined;
  seed: number;
  first: number;
  record: number;
  /** Steps of the simulation in all. */
  steps: number;
  /** The steps after which logits are kept, ascending; the last step is one of them. */
  logitSteps: number[];
  signal: AbortSignal | undefined;
  onProgress: OnProgress | undefined;
}

/** Which options a code has beyond those that all have. */
const OWN_OPTIONS: Record<SimulatedCode, readonly string[]> = {
  rate: ['threshold'],
  direct: ['threshold'],
  phase: ['threshold'],
  burst: ['threshold'],
  'ttfs-converted': ['window', 'timeConstant', 'delay', 'stride'],
  tsc: [],
  'one-spike-phase': ['window', 'base', 'stride'],
};
const COMMON_OPTIONS = [
  'code',
  'timesteps',
  'percentile',
  'calibration',
  'activations',
  'seed',
  'first',
  'record',
  'logits',
  'signal',
  'onProgress',
] as const;
const ALL_OPTIONS = [...COMMON_OPTIONS, ...new Set(Object.values(OWN_OPTIONS).flat())];

/** The steps of a window where none are given: those of their authors, 0 .. 80, and enough for values down to 0.015. */
const DEFAULT_TIMESTEPS: Partial<Record<SimulatedCode, number>> = { 'ttfs-converted': 81, 'one-spike-phase': 24 };
const DEFAULT_TIME_CONSTANT = 20;
const DEFAULT_BASE = 1.2;

/** Whether all layers of a code share the time steps. */
export function isStepped(code: SimulatedCode): boolean {
  return code === 'rate' || code === 'direct' || code === 'phase' || code === 'burst';
}

export function checkSimulation(options: unknown, sizes: NetworkSizes, networkSeed: number): CheckedSimulation {
  const given = checkOptions(options, 'options', ALL_OPTIONS);
  const code = checkOneOf(given['code'], 'code', SIMULATED_CODES);
  const foreign = Object.keys(given).find(
    (name) =>
      given[name] !== undefined &&
      !(COMMON_OPTIONS as readonly string[]).includes(name) &&
      !OWN_OPTIONS[code].includes(name),
  );
  if (foreign !== undefined)
    throw new OneSpikeError('ERR_ARG', `Expected no ${foreign} for the code '${code}' but received one`);
  const timesteps = checkTimesteps(code, given['timesteps'], given['window']);
  const stride =
    given['stride'] === undefined ? timesteps : checkInteger(given['stride'], 'stride', { min: 1, max: timesteps });
  const hidden = sizes.layers.length - 1;
  const steps = isStepped(code) ? timesteps : hidden * stride + timesteps;
  const { calibration, activations } = given;
  if (calibration !== undefined && activations !== undefined)
    throw new OneSpikeError('ERR_ARG', 'Expected calibration or activations but received both');
  return {
    code,
    timesteps,
    stride,
    steps,
    threshold: checkLimited(given['threshold'] ?? (code === 'burst' ? 1 / 8 : 1), 'threshold', 'threshold'),
    ...clocks(code, given, hidden + 1, timesteps),
    percentile: checkNumber(given['percentile'] ?? 99.9, 'percentile', LIMITS.percentile),
    calibration: calibration === undefined ? undefined : checkPixels(calibration, 'calibration', sizes).pixels,
    activations: activations === undefined ? undefined : checkActivations(activations, hidden),
    seed: checkInteger(given['seed'] ?? networkSeed, 'seed', LIMITS.seed),
    first: checkInteger(given['first'] ?? 0, 'first', { min: 0, max: Number.MAX_SAFE_INTEGER - LIMITS.images.max }),
    record: checkInteger(given['record'] ?? 1, 'record', { min: 1 }),
    logitSteps: checkLogitSteps(given['logits'] ?? [], steps),
    signal: checkSignal(given['signal'], 'signal'),
    onProgress: checkProgress(given['onProgress']),
  };
}

/**
 * Checks a number of time steps that a code is simulated with, its other numbers at their defaults. Errors: ERR_ARG.
 */
export function checkSimulatedSteps(code: SimulatedCode, timesteps: unknown, name: string): number {
  const steps = checkInteger(timesteps, name, stepsOf(code));
  clocks(code, {}, 1, steps);
  return steps;
}

/** The numbers of time steps that a code may have. `tsc` has a period of at least two. */
function stepsOf(code: SimulatedCode): { min: number; max: number } {
  return { ...LIMITS.simulatedSteps, min: code === 'tsc' ? 2 : LIMITS.simulatedSteps.min };
}

function checkTimesteps(code: SimulatedCode, timesteps: unknown, window: unknown): number {
  const range = stepsOf(code);
  const fromWindow =
    window === undefined ? undefined : checkInteger(window, 'window', { min: 0, max: range.max - 1 }) + 1;
  const steps = checkInteger(timesteps ?? fromWindow ?? DEFAULT_TIMESTEPS[code], 'timesteps', range);
  if (fromWindow !== undefined && fromWindow !== steps)
    throw expected(`${steps - 1}, the last of ${steps} timesteps,`, 'window', window);
  return steps;
}

/** Time constants and delays of the input and of every hidden layer; none for a code without. */
function clocks(
  code: SimulatedCode,
  given: Record<string, unknown>,
  count: number,
  timesteps: number,
): { timeConstants: number[]; delays: number[] } {
  if (code === 'one-spike-phase') {
    const base = given['base'] ?? DEFAULT_BASE;
    const timeConstant = typeof base === 'number' ? 1 / Math.log(base) : NaN;
    // Those with time constants from 1000 down to 0.25.
    if (!within('simulatedTimeConstant', timeConstant)) throw expected('a number from 1.00101 to 54.5', 'base', base);
    return checkClocks(Array<number>(count).fill(timeConstant), Array<number>(count).fill(0), timesteps);
  }
  if (code !== 'ttfs-converted') return { timeConstants: [], delays: [] };
  const each = (value: unknown, name: string): unknown[] => {
    if (!Array.isArray(value)) return Array<unknown>(count).fill(value);
    if (value.length !== count)
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected ${count} numbers (the input and the hidden layers) for ${name} but received ${value.length}`,
      );
    return value;
  };
  const timeConstants = each(given['timeConstant'] ?? DEFAULT_TIME_CONSTANT, 'timeConstant');
  return checkClocks(
    timeConstants.map((value) => checkLimited(value, 'timeConstant', 'simulatedTimeConstant')),
    each(given['delay'] ?? 0, 'delay').map((value) => checkNumber(value, 'delay')),
    timesteps,
  );
}

function checkClocks(
  timeConstants: number[],
  delays: number[],
  timesteps: number,
): { timeConstants: number[]; delays: number[] } {
  timeConstants.forEach((timeConstant, i) => {
    const delay = delays[i]!;
    const { max } = LIMITS.exponent;
    if ((timesteps - 0.5 - delay) / timeConstant > max || Math.abs(delay) / timeConstant > max)
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected a window of at most ${max} time constants but received ${timesteps} timesteps ` +
          `with a time constant of ${timeConstant} and a delay of ${delay}`,
      );
  });
  return { timeConstants, delays };
}

function checkActivations(activations: unknown, hidden: number): number[] {
  if (!Array.isArray(activations)) throw expected('an array of numbers', 'activations', activations);
  if (activations.length !== hidden)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected ${hidden} numbers (one per hidden layer) for activations but received ${activations.length}`,
    );
  return activations.map((value: unknown, i) => checkLimited(value, `activations[${i}]`, 'threshold'));
}

function checkLogitSteps(steps: unknown, last: number): number[] {
  if (!Array.isArray(steps)) throw expected('an array of steps', 'logits', steps);
  const checked = steps.map((step: unknown, i) => checkInteger(step, `logits[${i}]`, { min: 1, max: last }));
  return [...new Set([...checked, last])].sort((a, b) => a - b);
}
