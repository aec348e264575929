/** One phase of training, `ann` or `snn`: its epochs, from wherever the state says. */
import type { Augment, Batch, TrainStep } from '../../model/network';
import { learningRateFactor } from '../config/schedule';
import { activityWarnings, layerActivity, meanActivity } from '../run/activity';
import type { EpochEvent, Phase, TrainEvent } from '../run/events';
import { isBetter } from '../run/state';
import { evaluate, type Evaluation } from './evaluate';
import { augmentSeed, batchCount, batchRows, epochOrder } from './order';
import { Interval, progressEvent } from './progress';
import type { Session } from './session';

/** Errors: ERR_ABORTED (the state stays exact), ERR_STATE if the loss stops being finite. */
export async function* trainPhase(session: Session, phase: Phase): AsyncGenerator<TrainEvent, void> {
  const { rows } = session.images;
  const { epochs } = session.config[phase];
  while (session.state.epoch < epochs) {
    yield* trainEpoch(session, phase);
    const validation =
      rows.validation.length === 0
        ? null
        : yield* evaluate(session, { part: 'train', rows: rows.validation, mode: phase, activity: 'validate' });
    const event = epochEvent(session, phase, validation);
    await session.recordEpoch(event);
    yield event;
    yield* activityWarnings(event.layers, event, session.config);
  }
}

/** The steps that the epoch still lacks. */
async function* trainEpoch(session: Session, phase: Phase): AsyncGenerator<TrainEvent, void> {
  const plan = planEpoch(session, phase);
  const { steps } = plan;
  const report = new Interval(session.progressSeconds);
  while (session.state.step < steps) {
    // Checkpoints, progress, an interruption and the end of the epoch fall between two calls.
    const first = session.state.step;
    const end = Math.min(first + session.stepsAtOnce, steps);
    const group = Array.from({ length: end - first }, (_, i) => plan.stepAt(first + i));
    await session.train(group, { mode: phase, ...(end < steps ? { next: plan.batchAt(end) } : {}) });
    if (report.due()) {
      const { step, sums } = session.state;
      const { count, seconds, spikes } = sums;
      const spikesPerNeuron = phase === 'snn' ? meanActivity(layerActivity(session.hidden, spikes, count)) : null;
      const totals = { loss: sums.loss / count, accuracy: sums.correct / count, count, seconds };
      yield progressEvent(session, { phase, activity: 'train', step, steps, spikesPerNeuron }, totals);
    }
  }
}

/** What the steps (0-based) of the present epoch work on. */
function planEpoch(
  session: Session,
  phase: Phase,
): { steps: number; batchAt: (step: number) => Batch; stepAt: (step: number) => TrainStep } {
  const { config, images } = session;
  const { epoch } = session.state;
  const { batch, epochs, optimizer, schedule, augment } = config[phase];
  const steps = batchCount(images.rows.train.length, batch);
  const order = epochOrder(images.rows.train, config.seed, phase, epoch);
  const augmented = augment.padding > 0 || augment.flip;
  const seed = augmentSeed(config.seed, phase);
  const augmentAt = (step: number): Augment => ({ ...augment, seed, step: epoch * steps + step });
  const batchAt = (step: number): Batch => ({
    dataset: images.train,
    indices: batchRows(order, step, batch),
    ...(augmented ? { augment: augmentAt(step) } : {}),
  });
  const stepAt = (step: number): TrainStep => {
    const factor = learningRateFactor(schedule, epoch * steps + step, steps, epochs);
    const rates = {
      learningRate: optimizer.learningRate * factor,
      neuronLearningRate: (optimizer.neuronLearningRate ?? optimizer.learningRate) * factor,
    };
    return { batch: batchAt(step), optimizer: { ...optimizer, ...rates } };
  };
  return { steps, batchAt, stepAt };
}

/** The results of the epoch that has just been trained. */
function epochEvent(session: Session, phase: Phase, validation: Evaluation | null): EpochEvent {
  const { config, hidden, images, state } = session;
  const { epochs, batch, optimizer, schedule } = config[phase];
  const { sums } = state;
  const steps = batchCount(images.rows.train.length, batch);
  const { spikes, count } = validation ?? sums;
  const layers = phase !== 'snn' ? [] : layerActivity(hidden, spikes, count);
  const scores = { validationLoss: validation?.loss ?? null, validationAccuracy: validation?.accuracy ?? null };
  return {
    event: 'epoch',
    phase,
    epoch: state.epoch + 1,
    epochs,
    trainLoss: sums.loss / sums.count,
    trainAccuracy: sums.correct / sums.count,
    ...scores,
    learningRate: optimizer.learningRate * learningRateFactor(schedule, (state.epoch + 1) * steps - 1, steps, epochs),
    imagesPerSecond: sums.count / sums.seconds,
    spikesPerNeuron: meanActivity(layers),
    layers,
    best: isBetter(scores, state.best[phase]),
    seconds: sums.seconds + (validation?.seconds ?? 0),
  };
}
