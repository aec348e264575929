/** Loss, accuracy and activity over many images, batch by batch. */
import type { DeviceDataset } from '../../native/dataset';
import type { Network } from '../../model/network';
import type { Phase, ProgressEvent } from '../run/events';
import { divergence } from './divergence';
import { batchCount, batchRows } from './order';
import { Interval, progressEvent } from './progress';
import type { Session } from './session';

export interface Evaluation {
  /** Means over the images so far. */
  loss: number;
  accuracy: number;
  /** Per hidden spiking layer: neurons that fired, summed over the images. */
  spikes: number[];
  count: number;
  /** With `earlyExit`: mean step of the decision. */
  decisionStep?: number;
  /** Layer where the first non-finite number arose, else -1. */
  badLayer: number;
  seconds: number;
}

export interface EvaluationOptions {
  mode: Phase;
  batch: number;
  /** As in EvaluateOptions. */
  earlyExit?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Yields the totals after every batch; the last ones are the result. Errors: ERR_ABORTED. */
export async function* evaluateRows(
  network: Network,
  dataset: DeviceDataset,
  rows: Uint32Array,
  options: EvaluationOptions,
): AsyncGenerator<Evaluation> {
  const started = performance.now();
  const spikes: number[] = [];
  let loss = 0;
  let correct = 0;
  let count = 0;
  let badLayer = -1;
  let decided = 0;
  for (let step = 0; step < batchCount(rows.length, options.batch); step++) {
    const stats = await network.evaluate(
      { dataset, indices: batchRows(rows, step, options.batch) },
      { mode: options.mode, earlyExit: options.earlyExit, signal: options.signal },
    );
    loss += stats.loss * stats.count;
    correct += stats.correct;
    count += stats.count;
    decided += (stats.meanDecisionStep ?? 0) * stats.count;
    if (badLayer < 0) badLayer = stats.badLayer;
    stats.spikes.forEach((fired, i) => (spikes[i] = (spikes[i] ?? 0) + fired));
    yield {
      loss: loss / count,
      accuracy: correct / count,
      spikes,
      count,
      badLayer,
      seconds: (performance.now() - started) / 1000,
      ...(options.earlyExit ? { decisionStep: decided / count } : {}),
    };
  }
}

export interface SessionEvaluation {
  part: 'train' | 'test';
  rows: Uint32Array;
  mode: Phase;
  activity: ProgressEvent['activity'];
}

/**
 * As `evaluateRows` for the network of a run: yields progress and returns the result.
 * Errors: ERR_STATE if the loss is not finite, before anyone takes such a network for a good one.
 */
export async function* evaluate(
  session: Session,
  { part, rows, mode, activity }: SessionEvaluation,
): AsyncGenerator<ProgressEvent, Evaluation> {
  const { network, images, signal } = session;
  const { batch } = session.config.evaluation;
  const steps = batchCount(rows.length, batch);
  const report = new Interval(session.progressSeconds);
  let result: Evaluation = { loss: NaN, accuracy: NaN, spikes: [], count: 0, badLayer: -1, seconds: 0 };
  session.throwIfAborted();
  for await (const totals of evaluateRows(network, images[part], rows, { mode, batch, signal })) {
    result = totals;
    session.throwIfAborted();
    if (!Number.isFinite(totals.loss)) throw divergence(session, mode, placeOf(session, activity), totals);
    if (report.due()) {
      const step = Math.ceil(totals.count / batch);
      yield progressEvent(session, { phase: mode, activity, step, steps, spikesPerNeuron: null }, totals);
    }
  }
  session.evaluated();
  return result;
}

function placeOf({ state }: Session, activity: ProgressEvent['activity']): string {
  return activity === 'validate' ? `epoch ${state.epoch + 1}, after step ${state.step},` : `in stage ${state.stage},`;
}
