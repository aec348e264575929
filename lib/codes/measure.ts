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

/** The accuracy after every recorded step. */
export function accuracyByStep(
  { predictions, recordedSteps }: Pick<SimulationResult, 'predictions' | 'recordedSteps'>,
  labels: ArrayLike<number>,
): StepAccuracy[] {
  const recorded = recordedSteps.length;
  const correct = new Float64Array(recorded);
  for (let n = 0; n < labels.length; n++)
    for (let r = 0; r < recorded; r++) if (predictions[n * recorded + r] === labels[n]) correct[r]!++;
  return Array.from(recordedSteps, (step, r) => ({ step, accuracy: correct[r]! / labels.length }));
}

/** The best step, the first of several. */
export function bestStep(curve: readonly StepAccuracy[]): StepAccuracy {
  return curve.reduce((best, each) => (each.accuracy > best.accuracy ? each : best));
}

/** The first step from which on the accuracy stays within one point of the best. */
export function stepsWithinOnePoint(curve: readonly StepAccuracy[]): number {
  const least = bestStep(curve).accuracy - ONE_POINT;
  const last = curve.findLastIndex(({ accuracy }) => accuracy < least);
  return curve[Math.min(last + 1, curve.length - 1)]!.step;
}
