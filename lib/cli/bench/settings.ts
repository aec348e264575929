// The settings of a bench: arguments and options of the command line, checked and completed.
import { availableParallelism } from 'node:os';
import { BACKEND_CHOICES, type BackendChoice } from '../../native/devices';
import { checkOneOf } from '../../check';
import { NORMS, SURROGATES, type Norm, type ResolvedNetwork, type Surrogate } from '../../model/description';
import { PRECISIONS, type Mode, type Precision } from '../../model/network';
import { VGG_NAMES, type VggName } from '../../model/vgg';
import { asUsage, UsageError } from '../usage';

export const benchModes = ['train', 'infer', 'ann-train', 'ann-infer'] as const;
export type BenchMode = (typeof benchModes)[number];
const parts = ['train', 'test'] as const;

/** The options as commander leaves them: absent where they were not given. */
export interface BenchFlags {
  model?: string;
  mode?: string;
  batch?: number;
  timesteps?: number;
  classes?: number;
  activity?: number;
  surrogate?: string;
  norm?: string;
  threads?: number;
  backend?: string;
  device?: number;
  precision?: string;
  run?: string;
  images?: string;
  iterations?: number;
  warmup?: number;
  layers?: boolean;
  earlyExit?: boolean;
  json?: boolean;
}

export interface BenchSettings {
  mode: BenchMode;
  phase: Mode;
  training: boolean;
  batch: number;
  threads: number;
  backend: BackendChoice;
  device: number | undefined;
  /** Undefined: as the run was trained, else the backend's default. */
  precision: Precision | undefined;
  iterations: number;
  warmup: number;
  layers: boolean;
  earlyExit: boolean;
  /** Random weights and pictures, or a trained network and its own. */
  source: RandomSource | RunSource;
}

export interface RandomSource {
  model: VggName;
  timesteps: number;
  classes: number;
  /** Share of the neurons of every layer that fires. */
  activity: number;
  surrogate: Surrogate;
  norm: Norm;
}

export interface RunSource {
  run: string;
  images: (typeof parts)[number];
  /** What the command line states about the network; it must be true of the run. */
  model: string | undefined;
  timesteps: number | undefined;
  classes: number | undefined;
  surrogate: Surrogate | undefined;
}

const isMode = (word: string | undefined): boolean => (benchModes as readonly (string | undefined)[]).includes(word);

/** `words` are the arguments before the flags: a model, a mode, or both. Errors: UsageError. */
export function benchSettings(words: readonly (string | undefined)[], flags: BenchFlags): BenchSettings {
  const [first, second] = words;
  const lone = second === undefined && isMode(first);
  const model = oneOf('model', lone ? undefined : first, flags.model);
  const mode = asUsage(() =>
    checkOneOf(oneOf('mode', lone ? first : second, flags.mode) ?? 'train', '--mode', benchModes),
  );
  const training = mode.endsWith('train');
  if (flags.earlyExit === true && mode !== 'infer')
    throw new UsageError(`Expected --early-exit with the mode infer but received it with ${mode}`);
  return {
    mode,
    training,
    phase: mode.startsWith('ann') ? 'ann' : 'snn',
    batch: flags.batch ?? 64,
    threads: flags.threads ?? availableParallelism(),
    backend: asUsage(() => checkOneOf(flags.backend ?? 'auto', '--backend', BACKEND_CHOICES)),
    device: flags.device,
    precision:
      flags.precision === undefined ? undefined : asUsage(() => checkOneOf(flags.precision, '--precision', PRECISIONS)),
    iterations: flags.iterations ?? 5,
    warmup: flags.warmup ?? 1,
    layers: flags.layers === true,
    earlyExit: flags.earlyExit === true,
    source: flags.run === undefined ? randomSource(model, flags) : runSource(flags.run, model, training, flags),
  };
}

/** What two ways of saying it agree on. */
function oneOf(name: string, word: string | undefined, flag: string | undefined): string | undefined {
  if (word !== undefined && flag !== undefined && word !== flag)
    throw new UsageError(`Expected one ${name} but received '${word}' and --${name} '${flag}'`);
  return word ?? flag;
}

function randomSource(model: string | undefined, flags: BenchFlags): RandomSource {
  if (flags.images !== undefined)
    throw new UsageError(
      'Expected --images together with --run RUN, whose pictures it chooses; without a run the pictures are random',
    );
  return {
    model: asUsage(() => checkOneOf(model ?? 'vgg16', '--model', VGG_NAMES)),
    timesteps: flags.timesteps ?? 5,
    classes: flags.classes ?? 10,
    activity: flags.activity ?? 0.12,
    surrogate: surrogateOf(flags) ?? 'triangle',
    norm: flags.norm === undefined ? 'none' : asUsage(() => checkOneOf(flags.norm, '--norm', NORMS)),
  };
}

function runSource(run: string, model: string | undefined, training: boolean, flags: BenchFlags): RunSource {
  if (flags.norm !== undefined)
    throw new UsageError('Expected no --norm together with --run: a trained network has its own');
  if (flags.activity !== undefined)
    throw new UsageError(
      'Expected no --activity together with --run: a trained network fires as its own thresholds say',
    );
  const images = asUsage(() => checkOneOf(flags.images ?? (training ? 'train' : 'test'), '--images', parts));
  return { run, images, model, timesteps: flags.timesteps, classes: flags.classes, surrogate: surrogateOf(flags) };
}

function surrogateOf({ surrogate }: BenchFlags): Surrogate | undefined {
  return surrogate === undefined ? undefined : asUsage(() => checkOneOf(surrogate, '--surrogate', SURROGATES));
}

/** Errors: UsageError if the run holds another network than the flags say. */
export function checkClaims({ run, model, timesteps, classes, surrogate }: RunSource, network: ResolvedNetwork): void {
  const truth = {
    model: network.name,
    timesteps: network.timesteps,
    classes: network.layers.at(-1)!.out,
    surrogate: network.surrogate,
  };
  for (const [name, claim] of Object.entries({ model, timesteps, classes, surrogate })) {
    const held = truth[name as keyof typeof truth];
    if (claim !== undefined && claim !== held)
      throw new UsageError(`Expected no --${name}, or that of the run ${run} (${held}), but received ${claim}`);
  }
}
