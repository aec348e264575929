// One phase of training, `ann` or `snn`: its epochs, from wherever the state says.
import type { Augment, Batch, BatchShards, LossOptions, Network, TrainStep } from '../../model/network';
import { augments } from '../../model/network/augment';
import { mostSpikes } from '../../model/code/steps';
import type { TrainConfig } from '../config/config';
import { timestepsAt } from '../config/incremental';
import { learningRateFactor } from '../config/schedule';
import { activityWarnings, excessOf, layerActivity, meanActivity } from '../run/activity';
import type { EpochEvent, LayerActivity, Phase, TrainEvent } from '../run/events';
import { neuronParameters } from '../run/neurons';
import { isBetter, isOutOfPatience } from '../run/state';
import { evaluate, type Evaluation } from './evaluate';
import { augmentSeed, batchCount, batchRows, epochOrder } from '../rows/order';
import { shardBatches } from '../rows/shards';
import { Interval, progressEvent } from './progress';
import type { Session } from './session';

/** Errors: ERR_ABORTED (the state stays exact), ERR_STATE if the loss stops being finite. */
export async function* trainPhase(session: Session, phase: Phase): AsyncGenerator<TrainEvent, void> {
  const { rows } = session.images;
  const { optimizer, patience } = session.config[phase];
  const averaged = optimizer.ema > 0;
  while (session.state.epoch < session.config[phase].epochs && !isOutOfPatience(session.state, phase, patience)) {
    const began = session.time().seconds;
    if (phase === 'snn') await session.setTimesteps(timestepsAt(session.config, session.state.epoch));
    yield* trainEpoch(session, phase);
    const validation =
      rows.validation.length === 0
        ? null
        : yield* evaluate(session, {
            part: 'validation',
            mode: phase,
            activity: 'validate',
            averaged,
          });
    const neurons = await neuronsOf(session.network, phase, averaged);
    const { spikes, count } = validation ?? session.state.sums;
    const layers = phase === 'ann' ? [] : layerActivity(session.hidden, spikes, count);
    const excess = excessOf(session, phase, layers);
    const event = { ...epochEvent(session, { phase, validation, layers, excess }), ...neurons };
    await session.recordEpoch(event, excess, { averaged });
    yield event;
    const most = mostSpikes(session.network.description);
    yield* activityWarnings(event.layers, { ...event, most }, session.config);
    yield* keepPace(session, phase, began);
  }
}

/** After an epoch that `began` at this second of the run: other numbers of epochs where the run would miss its time. */
async function* keepPace(session: Session, phase: Phase, began: number): AsyncGenerator<TrainEvent, void> {
  const elapsed = session.time().seconds;
  const epoch = { done: session.state.epoch, seconds: elapsed - began, elapsed };
  const plan = session.pace?.afterEpoch(session.config, phase, epoch) ?? null;
  if (plan === null) return;
  await session.changeEpochs(plan.epochs);
  yield plan;
}

/** The thresholds and leaks that the epoch ends with, where its phase has them. */
async function neuronsOf(
  network: Network,
  phase: Phase,
  averaged: boolean,
): Promise<Pick<EpochEvent, 'thresholds' | 'leaks'>> {
  if (phase === 'ann' || network.description.code !== undefined) return {};
  const thresholds = await neuronParameters(network, 'threshold', { averaged });
  return phase === 'binary'
    ? { thresholds }
    : { thresholds, leaks: await neuronParameters(network, 'leak', { averaged }) };
}

/** The steps that the epoch still lacks. */
async function* trainEpoch(session: Session, phase: Phase): AsyncGenerator<TrainEvent, void> {
  const plan = planEpoch(session, phase);
  const { steps } = plan;
  const loss = await lossOf(session, phase);
  const report = new Interval(session.progressSeconds);
  while (session.state.step < steps) {
    // Checkpoints, progress, an interruption and the end of the epoch fall between two calls.
    const first = session.state.step;
    const end = Math.min(first + session.stepsAtOnce, steps);
    const group = Array.from({ length: end - first }, (_, i) => plan.stepAt(first + i));
    await session.train(group, { mode: phase, ...loss, ...(end < steps ? { next: plan.batchAt(end) } : {}) });
    if (report.due()) {
      const { step, sums } = session.state;
      const { count, seconds, spikes } = sums;
      const spikesPerNeuron = phase === 'ann' ? null : meanActivity(layerActivity(session.hidden, spikes, count));
      const totals = { loss: sums.loss / count, accuracy: sums.correct / count, count, seconds };
      yield progressEvent(session, { phase, activity: 'train', step, steps, spikesPerNeuron }, totals);
    }
  }
}

/** What the steps of a phase ask of their loss. */
async function lossOf(session: Session, phase: Phase): Promise<LossOptions> {
  const { config } = session;
  const loss = { labelSmoothing: config[phase].labelSmoothing, distillation: await session.teacher(phase) };
  if (phase === 'ann') return loss;
  const { activity } = config[phase];
  const costly = { ...loss, ...(activity.strength > 0 ? { activity } : {}) };
  return phase === 'binary' ? costly : { ...costly, timeWeights: config.snn.timeWeights, ...relaxedLoss(session) };
}

/**
 * How often layers are relaxed in the present epoch, and the penalties of a code: the same for all steps of the epoch.
 */
function relaxedLoss({ config, state }: Session): LossOptions {
  const { code, relaxation } = config.snn;
  const quantised = (epochs: number): number => Math.min(1, (state.epoch + 1) / (epochs + 1));
  if (code === undefined) return relaxation > 0 ? { quantised: quantised(relaxation) } : {};
  const { kernelPenalty, spikePenalty } = code;
  return { quantised: quantised(code.relaxation), kernelPenalty, spikePenalty };
}

/**
 * An update takes the batches that it accumulates as one: native code sums the gradients of chunks whose size the
 * network decides, so there is nothing to add up here, and no bit in which the two could differ.
 */
function imagesPerUpdate({ batch, accumulate }: TrainConfig[Phase]): number {
  return batch * accumulate;
}

/** What the steps (0-based) of the present epoch work on. */
function planEpoch(
  session: Session,
  phase: Phase,
): { steps: number; batchAt: (step: number) => Batch; stepAt: (step: number) => TrainStep } {
  const { config, images } = session;
  const { epoch } = session.state;
  const { epochs, optimizer, schedule, augment } = config[phase];
  const size = imagesPerUpdate(config[phase]);
  const steps = batchCount(images.rows.train.length, size);
  const rowsAt = rowsOf(session, phase, size);
  const augmented = augments(augment);
  const seed = augmentSeed(config.seed, phase);
  const augmentAt = (step: number): Augment => ({ ...augment, seed, step: epoch * steps + step });
  const batchAt = (step: number): Batch => ({
    dataset: images.train,
    ...rowsAt(step),
    ...(augmented ? { augment: augmentAt(step) } : {}),
  });
  const stepAt = (step: number): TrainStep => {
    const factor = learningRateFactor(schedule, epoch * steps + step, steps, epochs);
    const held = phase === 'snn' && epoch < (config.snn.code?.parametersFrom ?? 0);
    const rates = {
      learningRate: optimizer.learningRate * factor,
      neuronLearningRate: held ? 0 : (optimizer.neuronLearningRate ?? optimizer.learningRate) * factor,
    };
    return { batch: batchAt(step), optimizer: { ...optimizer, ...rates } };
  };
  return { steps, batchAt, stepAt };
}

/** The rows of each step of the present epoch, and the shards that they are if the run has shards. */
function rowsOf(
  { config, images, state }: Session,
  phase: Phase,
  size: number,
): (step: number) => { indices: Uint32Array; shards?: BatchShards } {
  const { seed } = config;
  if (images.shards !== null) return shardBatches(images.shards, size, { seed, phase, epoch: state.epoch });
  const order = epochOrder(images.rows.train, seed, phase, state.epoch);
  return (step) => ({ indices: batchRows(order, step, size) });
}

/** The results of the epoch that has just been trained. */
function epochEvent(
  { config, images, state }: Session,
  {
    phase,
    validation,
    layers,
    excess,
  }: { phase: Phase; validation: Evaluation | null; layers: LayerActivity[]; excess: number },
): EpochEvent {
  const { epochs, optimizer, schedule, patience } = config[phase];
  const { sums } = state;
  const steps = batchCount(images.rows.train.length, imagesPerUpdate(config[phase]));
  const epoch = state.epoch + 1;
  const scores = { validationLoss: validation?.loss ?? null, validationAccuracy: validation?.accuracy ?? null };
  const best = isBetter({ ...scores, excess }, state.best[phase]);
  return {
    event: 'epoch',
    phase,
    epoch,
    epochs,
    trainLoss: sums.loss / sums.count,
    trainAccuracy: sums.correct / sums.count,
    ...scores,
    learningRate: optimizer.learningRate * learningRateFactor(schedule, epoch * steps - 1, steps, epochs),
    imagesPerSecond: sums.count / sums.seconds,
    spikesPerNeuron: meanActivity(layers),
    layers,
    best,
    stopsEarly: !best && epoch < epochs && isOutOfPatience({ ...state, epoch }, phase, patience),
    seconds: sums.seconds + (validation?.seconds ?? 0),
    cpuSeconds: sums.cpuSeconds + (validation?.cpuSeconds ?? 0),
  };
}
