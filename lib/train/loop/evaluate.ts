// Loss, accuracy and activity over many images, batch by batch.
import type { ImageSet } from '../../data';
import { createDataset, type NativeDataset } from '../../native/dataset';
import type { LayerId } from '../../model/layer';
import type { Network, PieceStats, StepStats } from '../../model/network';
import { evaluatedAtOnce } from '../../model/network/forward';
import { StepSums } from '../../model/network/step-sums';
import { OneSpikeError } from '../../errors';
import type { Phase, ProgressEvent } from '../run/events';
import { divergence } from './divergence';
import type { NativeRows } from '../rows/images';
import { allRows, batchCount, batchRows } from '../rows/order';
import { Interval, progressEvent } from './progress';
import type { Session } from './session';
import { inShares, type Sharing } from './shares';
import { startStopwatch, type Elapsed } from '../run/stopwatch';

export interface Evaluation extends Elapsed {
  /** Means over the images so far. */
  loss: number;
  accuracy: number;
  /** Per hidden spiking layer: neurons that fired, summed over the images. */
  spikes: number[];
  count: number;
  /** The mean step of the decision, with `earlyExit`. */
  decisionStep?: number;
  /** The first layer with a number that is not finite, or null. */
  badLayer: LayerId | null;
  /** The logits (n, K) of the last n images, with the option `logits`. */
  logits?: Float32Array;
}

export interface EvaluationOptions {
  mode: Phase;
  batch: number;
  /** These two as in EvaluateOptions. */
  earlyExit?: boolean | undefined;
  averaged?: boolean | undefined;
  /** Whether the totals after a batch come with its logits. */
  logits?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Yields the totals after every batch; the last ones are the result. Errors: ERR_ABORTED. */
export async function* evaluateRows(
  network: Network,
  dataset: NativeDataset,
  rows: Uint32Array,
  options: EvaluationOptions,
): AsyncGenerator<Evaluation> {
  const elapsed = startStopwatch();
  if (rows.length === 0) return;
  const { batch: piece, ...others } = options;
  const pieces = network.evaluateInPieces({ dataset, indices: rows }, { piece, ...others });
  for await (const totals of pieces) yield evaluationOf(totals, elapsed());
}

function evaluationOf(
  { loss, correct, count, spikes, badLayer, meanDecisionStep, logits }: PieceStats,
  time: Elapsed,
): Evaluation {
  return {
    loss,
    accuracy: correct / count,
    spikes: [...spikes],
    count,
    badLayer,
    ...time,
    ...(meanDecisionStep === undefined ? {} : { decisionStep: meanDecisionStep }),
    ...(logits === undefined ? {} : { logits }),
  };
}

/** As `evaluateRows`, of all images of a set, which native memory holds meanwhile. Errors: ERR_ABORTED, ERR_OOM. */
export async function* evaluateImages(
  network: Network,
  { pixels, labels, shape, count }: ImageSet,
  options: EvaluationOptions,
): AsyncGenerator<Evaluation> {
  const dataset = createDataset(pixels, labels, shape);
  try {
    yield* evaluateRows(network, dataset, allRows(count), options);
  } finally {
    dataset.dispose();
  }
}

/**
 * As `evaluateRows`, of `count` images in pieces of `piece`, of which this rank holds its own: `indices` are theirs,
 * one piece after the other. Every rank yields the totals of all ranks, which are bit-identical to those of one
 * process.
 */
export async function* evaluateShares(
  network: Network,
  { dataset, indices }: NativeRows,
  count: number,
  ranks: Sharing,
  { batch, ...options }: EvaluationOptions,
): AsyncGenerator<Evaluation> {
  const elapsed = startStopwatch();
  const size = evaluatedAtOnce(network.description.input, batch);
  const sums = new StepSums();
  const work = async (piece: number): Promise<Float64Array> => {
    const rows = batchRows(indices, Math.floor(piece / ranks.size), size);
    for await (const stats of network.evaluateInPieces({ dataset, indices: rows }, { ...options, piece: size }))
      return packed(stats);
    throw new OneSpikeError('ERR_STATE', `Expected images in piece ${piece} of an evaluation but received none`);
  };
  for await (const round of inShares(batchCount(count, size), ranks, work)) {
    const pieces = round.map((numbers) => unpacked(numbers, network.layers.length - 1));
    for (const stats of pieces) sums.add(stats);
    const logits = Float32Array.from(pieces.flatMap((stats) => [...stats.logits]));
    yield evaluationOf({ ...sums.mean(), ...(options.logits === true ? { logits } : {}) }, elapsed());
  }
}

/** The results of a piece as numbers that other ranks can read. */
function packed({ loss, correct, count, spikes, badLayer, logits = new Float32Array(0) }: PieceStats): Float64Array {
  return Float64Array.of(loss, correct, count, badLayer ?? -1, ...spikes, ...logits);
}

function unpacked(numbers: Float64Array, hidden: number): StepStats & { logits: Float32Array } {
  const [loss, correct, count, badLayer] = numbers as unknown as [number, number, number, number];
  return {
    ...{ loss, correct, count, gradientNorm: 0, seconds: 0 },
    badLayer: badLayer < 0 ? null : badLayer,
    spikes: numbers.slice(4, 4 + hidden),
    logits: Float32Array.from(numbers.subarray(4 + hidden)),
  };
}

export interface SessionEvaluation {
  part: 'validation' | 'test';
  mode: Phase;
  activity: ProgressEvent['activity'];
  /** Whether the average of the parameters is evaluated. */
  averaged?: boolean;
  /** Is called with the logits (n, K) of the next n images after every batch. */
  onLogits?: (logits: Float32Array) => void;
}

/**
 * As `evaluateRows` for the network of a run: yields progress and returns the result.
 * Errors: ERR_STATE if the loss is not finite, so that no such network is reported as a good one.
 */
export async function* evaluate(
  session: Session,
  { part, mode, activity, averaged, onLogits }: SessionEvaluation,
): AsyncGenerator<ProgressEvent, Evaluation> {
  const { network, images, signal } = session;
  const count = images.rows[part].length;
  const { batch } = session.config.evaluation;
  const steps = batchCount(count, batch);
  const report = new Interval(session.progressSeconds);
  const none = { loss: NaN, accuracy: NaN, spikes: [], count: 0, badLayer: null };
  let result: Evaluation = { ...none, seconds: 0, cpuSeconds: 0 };
  await session.throwIfStopped();
  const options = { mode, batch, averaged, logits: onLogits !== undefined, signal };
  const { dataset, indices } = images[part];
  const pieces =
    session.together.sharing === null
      ? evaluateRows(network, dataset, indices, options)
      : evaluateShares(network, images[part], count, session.together.sharing, options);
  for await (const totals of pieces) {
    result = totals;
    if (totals.logits !== undefined) onLogits?.(totals.logits);
    await session.throwIfStopped();
    if (!Number.isFinite(totals.loss)) throw divergence(session, mode, placeOf(session, activity), totals);
    if (report.due()) {
      const step = Math.ceil(totals.count / batch);
      yield progressEvent(session, { phase: mode, activity, step, steps, spikesPerNeuron: null }, totals);
    }
  }
  const { accuracy } = result;
  const scores = { ann: { annTestAccuracy: accuracy }, binary: { binaryTestAccuracy: accuracy }, snn: {} };
  session.evaluated(part === 'test' ? scores[mode] : {});
  return result;
}

function placeOf({ state }: Session, activity: ProgressEvent['activity']): string {
  return activity === 'validate' ? `epoch ${state.epoch + 1}, after step ${state.step},` : `in stage ${state.stage},`;
}
