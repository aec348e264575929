// Checks the arguments of the methods that train a network or prepare it for training, and returns the jobs that they
// describe.
import { checkNumber } from '../../check';
import { LIMITS } from '../../native/limits';
import type { CommunicatorHandle, NativeNetwork, StepStats } from '../../native/network';
import { convert } from '../code/convert';
import type { ResolvedNetwork } from '../description';
import type { NetworkSizes } from './forward';
import { checkBatch, checkJob, checkLabels, checkNext, checkPixels, checkSteps } from './inputs';
import { checkLoss, LOSS_KEYS, type LossShape, type Teacher } from './loss';
import { checkOptimizer } from './optimizer';
import type { GradientsResult } from './options';
import { readTensors, trainedTensors, type TensorShape } from './state';

/** A network that learns, and its teacher if it has one. */
export interface Learner {
  native: NativeNetwork;
  shape: LossShape;
  teacher: Teacher | undefined;
}

/** What the options of a method call the teacher, before they are checked. */
export function givenTeacher(options: unknown): unknown {
  return (options as { distillation?: { teacher?: unknown } | null } | null | undefined)?.distillation?.teacher;
}

export function gradientsJob(
  { native, shape, teacher }: Learner,
  tensors: readonly TensorShape[],
  pixels: unknown,
  labels: unknown,
  options: unknown,
): () => Promise<GradientsResult> {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', ...LOSS_KEYS]);
  const loss = checkLoss(given, mode, shape, teacher);
  const images = checkPixels(pixels, 'pixels', shape);
  const batch = { pixels: images.pixels, labels: checkLabels(labels, 'labels', images.count, shape.classes) };
  return async () => {
    const stats = await native.gradients(batch, mode, loss, signal);
    const gradients = await readTensors(native, 'gradient', trainedTensors(tensors));
    return { loss: stats.loss, gradients: new Map([...gradients].map(([name, { data }]) => [name, data])), stats };
  };
}

export function trainStepJob(
  { native, shape, teacher }: Learner,
  batch: unknown,
  options: unknown,
): () => Promise<StepStats> {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'optimizer', 'next', ...LOSS_KEYS]);
  const loss = checkLoss(given, mode, shape, teacher);
  const optimizer = checkOptimizer(given['optimizer']);
  const step = { batch: checkBatch(batch, 'batch', shape, true).batch, optimizer };
  const next = checkNext(given['next'], shape);
  return async () => {
    const [stats] = await native.train([step], next, mode, loss, { signal });
    return stats!;
  };
}

export function trainStepsJob(
  { native, shape, teacher }: Learner,
  steps: unknown,
  options: unknown,
): () => Promise<StepStats[]> {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'next', 'communicator', ...LOSS_KEYS]);
  const communicator = given['communicator'] as CommunicatorHandle | undefined;
  const loss = checkLoss(given, mode, shape, teacher);
  const checked = checkSteps(steps, shape);
  const next = checkNext(given['next'], shape);
  return () => native.train(checked, next, mode, loss, { signal, communicator });
}

export function calibrateJob(
  native: NativeNetwork,
  shape: NetworkSizes,
  description: ResolvedNetwork,
  tensors: readonly TensorShape[],
  batch: unknown,
  options: unknown,
): () => Promise<void> {
  const { signal, given } = checkJob(options, ['percentile', 'scale', 'signal']);
  const { percentile = 99.7, scale = 1 } = given;
  const checkedPercentile = checkNumber(percentile, 'percentile', LIMITS.percentile);
  const checkedScale = checkNumber(scale, 'scale', LIMITS.calibrationScale);
  const { batch: checked } = checkBatch(batch, 'batch', shape, false);
  const { code } = description;
  if (code === undefined) return () => native.calibrate(checked, checkedPercentile, checkedScale, signal);
  const conversion = { batch: checked, percentile: checkedPercentile, scale: checkedScale, signal };
  return () => convert(native, shape, { description, code }, tensors, conversion);
}
