// How well a code does over time: its accuracy after every recorded step, and how soon it is good.
import type { SimulationResult } from '../model/network';

/** The accuracy after one step. */
export interface StepAccuracy {
  /** The step, counted from 1. */
  step: number;
  /** The share of images whose prediction was correct, from 0 to 1. */
  accuracy: number;
}

/** One point, the tolerance of `stepsWithinOnePoint`; what rounding leaves of it does not count. */
const ONE_POINT = 0.01 + 1e-9;

/** The number of correct predictions (N, R) after each of R recorded steps. */
export function correctByStep(
  { predictions, recordedSteps: { length: recorded } }: Pick<SimulationResult, 'predictions' | 'recordedSteps'>,
  labels: ArrayLike<number>,
): number[] {
  const correct = new Array<number>(recorded).fill(0);
  for (let n = 0; n < labels.length; n++)
    for (let r = 0; r < recorded; r++) if (predictions[n * recorded + r] === labels[n]) correct[r]!++;
  return correct;
}

/** The best step, the first of several. */
export function bestStep(curve: readonly StepAccuracy[]): StepAccuracy {
  return curve.reduce((best, each) => (each.accuracy > best.accuracy ? each : best));
}

/** Whether an accuracy is at most one point below another. */
export function isWithinOnePoint(accuracy: number, best: number): boolean {
  return accuracy >= best - ONE_POINT;
}

/** The first step from which on the accuracy stays within one point of `accuracy`, the best one by default. */
export function stepsWithinOnePoint(
  curve: readonly StepAccuracy[],
  accuracy: number = bestStep(curve).accuracy,
): number {
  const last = curve.findLastIndex((each) => !isWithinOnePoint(each.accuracy, accuracy));
  return curve[Math.min(last + 1, curve.length - 1)]!.step;
}
