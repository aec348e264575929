// Where a run is: everything a checkpoint must carry beside the tensors, as JSON, and every way in which it changes. A
// state is never changed in place; each function returns the one that follows.
import type { Counters, StepStats } from '../../model/network';
import { StepSums, type StepTotals } from '../../model/network/step-sums';
import type { TrainConfig } from '../config/config';
import { PHASES, type EpochEvent, type Phase } from './events';
import { addElapsed, type Elapsed } from './stopwatch';

/** What a run does next. Each stage can be repeated from its start, so a checkpoint between two of them is enough. */
export type Stage = 'ann' | 'binary' | 'convert' | 'snn' | 'finish';

/** The parts of a configuration that decide which stages a run has. */
export type StageConfig = Pick<TrainConfig, 'ann' | 'binary' | 'convert' | 'snn'>;

/** The stages in their order, each with the question whether a configuration asks for it. */
const stages: Record<Stage, (config: StageConfig) => boolean> = {
  ann: ({ ann }) => ann.epochs > 0,
  binary: ({ binary }) => binary.epochs > 0,
  convert: ({ convert }) => convert.enabled,
  snn: ({ snn }) => snn.epochs > 0,
  finish: () => true,
};

/** The stages in their order. */
export const STAGES = Object.keys(stages) as Stage[];

/** The stage that follows `stage` (null: the one that a run begins with), or null after the last. */
export function next(stage: Stage | null, config: StageConfig): Stage | null {
  const rest = stage === null ? STAGES : STAGES.slice(STAGES.indexOf(stage) + 1);
  return rest.find((candidate) => stages[candidate](config)) ?? null;
}

/** Whether a stage is a phase of training, which may be interrupted anywhere. */
export function isPhase(stage: Stage): stage is Phase {
  return (PHASES as readonly string[]).includes(stage);
}

/** The phase whose network a run ends with; a converted network is one of the spiking phase. */
export function lastPhase({ binary, convert, snn }: StageConfig): Phase {
  if (convert.enabled || snn.epochs > 0) return 'snn';
  return binary.epochs > 0 ? 'binary' : 'ann';
}

/** Running sums of an epoch over the images trained so far, and the time that they took. */
export interface EpochSums extends StepTotals, Elapsed {}

export interface BestEpoch {
  /** 0 is the converted network. */
  epoch: number;
  accuracy: number | null;
  loss: number | null;
  /** The share by which its activity exceeds the target of its phase; 0 where there is none. */
  excess: number;
  /** File name within checkpoints/. */
  file: string;
}

/** Accuracies on the test images; null where there is no such network. */
export interface AnnScores {
  /** The accuracy of the best ANN with ReLU. */
  readonly annTestAccuracy: number | null;
  /** The accuracy of the best ANN with binary activations. */
  readonly binaryTestAccuracy: number | null;
}

/** The times are those of the run when the state was saved. */
export interface TrainState extends Readonly<Elapsed>, AnnScores {
  readonly format: 1;
  readonly stage: Stage;
  /** Epochs completed in this stage. */
  readonly epoch: number;
  /** Steps completed in the current epoch. All steps done but the epoch not counted: validation is due. */
  readonly step: number;
  readonly sums: Readonly<EpochSums>;
  readonly best: Readonly<Record<Phase, BestEpoch | null>>;
  /** Length of metrics.jsonl that this state knows of. */
  readonly metricsBytes: number;
  readonly convertedTestAccuracy: number | null;
  /**
   * The counters of the network after the last training step or the last complete evaluation, whatever it has begun
   * since.
   */
  readonly counters: Counters;
}

export function emptySums(hiddenLayers: number): EpochSums {
  return { loss: 0, correct: 0, count: 0, spikes: new Array<number>(hiddenLayers).fill(0), seconds: 0, cpuSeconds: 0 };
}

export function initialState(stage: Stage, hiddenLayers: number): TrainState {
  return {
    format: 1,
    stage,
    epoch: 0,
    step: 0,
    sums: emptySums(hiddenLayers),
    best: { ann: null, binary: null, snn: null },
    metricsBytes: 0,
    seconds: 0,
    cpuSeconds: 0,
    annTestAccuracy: null,
    binaryTestAccuracy: null,
    convertedTestAccuracy: null,
    counters: { optimizerSteps: 0, randomStep: 0, activity: 0 },
  };
}

/** After some training steps, which took `time`. */
export function afterSteps(state: TrainState, steps: readonly StepStats[], time: Elapsed): TrainState {
  const sums = new StepSums(state.sums);
  for (const stats of steps) sums.add(stats);
  return {
    ...state,
    step: state.step + steps.length,
    sums: { ...sums.totals(), ...addElapsed(state.sums, time) },
  };
}

/** After the event of an epoch was recorded and, if it is the best one, its network was written to `file`. */
export function afterEpoch(
  state: TrainState,
  event: EpochEvent,
  metricsBytes: number,
  best: Pick<BestEpoch, 'file' | 'excess'>,
): TrainState {
  const { epoch, validationAccuracy: accuracy, validationLoss: loss } = event;
  return {
    ...state,
    metricsBytes,
    best: event.best ? { ...state.best, [event.phase]: { epoch, accuracy, loss, ...best } } : state.best,
    epoch,
    step: 0,
    sums: emptySums(state.sums.spikes.length),
  };
}

/** After the conversion was recorded and its network was written to `best.file`. */
export function afterConversion(
  state: TrainState,
  scores: Pick<TrainState, 'convertedTestAccuracy' | 'metricsBytes'>,
  best: BestEpoch,
): TrainState {
  return { ...state, ...scores, best: { ...state.best, snn: best }, sums: emptySums(state.sums.spikes.length) };
}

/** After a change that makes the networks of a phase so far none that the next ones are compared with. */
export function withoutBest(state: TrainState, phase: Phase): TrainState {
  return { ...state, best: { ...state.best, [phase]: null } };
}

/** At the start of a stage. */
export function atStart(state: TrainState, stage: Stage): TrainState {
  return { ...state, stage, epoch: 0, step: 0 };
}

/** Whether a stage has made `patience` epochs after its best one; 0 is patience without end. */
export function isOutOfPatience(
  { epoch, best }: Pick<TrainState, 'epoch' | 'best'>,
  phase: Phase,
  patience: number,
): boolean {
  return patience > 0 && best[phase] !== null && epoch - best[phase].epoch >= patience;
}

/** What an activity of twice its target costs in accuracy, when networks are compared; more or less in proportion. */
const EXCESS_COST = 0.1;

/**
 * Higher validation accuracy, less ten points for an activity of twice its target, then lower validation loss. Without
 * validation every epoch is better than the one before.
 */
export function isBetter(
  candidate: Pick<EpochEvent, 'validationAccuracy' | 'validationLoss'> & Pick<BestEpoch, 'excess'>,
  best: BestEpoch | null,
): boolean {
  if (best === null || candidate.validationAccuracy === null || best.accuracy === null) return true;
  const score = candidate.validationAccuracy - EXCESS_COST * candidate.excess;
  const least = best.accuracy - EXCESS_COST * best.excess;
  if (score !== least) return score > least;
  return (candidate.validationLoss ?? Infinity) < (best.loss ?? Infinity);
}
