/** One phase of training, `ann` or `snn`: its epochs, from wherever the state says. */
import { batchCount, batchRows } from './batches';
import { divergence } from './divergence';
import { evaluate, type Evaluation } from './evaluate';
import type { EpochEvent, Phase, TrainEvent } from '../run/events';
import { Meter } from './meter';
import { augmentSeed, epochOrder } from './order';
import { learningRateFactor } from '../config/schedule';
import type { Session } from './session';
import { emptySums, isBetter, layerActivity, meanActivity } from '../run/state';
import { activityWarnings } from './watch';

/** Errors: ERR_ABORTED (the state stays exact), ERR_STATE if the loss stops being finite. */
export async function* trainPhase(session: Session, phase: Phase): AsyncGenerator<TrainEvent, void> {
  const { state, config, rows } = session;
  const settings = config[phase];
  const steps = batchCount(rows.train.length, settings.batch);
  while (state.epoch < settings.epochs) {
    yield* trainEpoch(session, phase, steps);
    const validation =
      rows.validation.length === 0
        ? null
        : yield* evaluate(session, { part: 'train', rows: rows.validation, mode: phase, activity: 'validate' });
    yield* closeEpoch(session, phase, steps, validation);
  }
}

/** The steps that the epoch still lacks. */
async function* trainEpoch(session: Session, phase: Phase, steps: number): AsyncGenerator<TrainEvent, void> {
  const { state, config, rows, datasets, hidden } = session;
  const { batch, epochs, optimizer, schedule, augment } = config[phase];
  const order = epochOrder(rows.train, config.seed, phase, state.epoch);
  const augmented = augment.padding > 0 || augment.flip;
  const seed = augmentSeed(config.seed, phase);
  const rowsAt = (step: number) => ({
    dataset: datasets.train,
    indices: batchRows(order, step, batch),
    ...(augmented ? { augment: { ...augment, seed, step: state.epoch * steps + step } } : {}),
  });
  const stepAt = (step: number) => {
    const factor = learningRateFactor(schedule, state.epoch * steps + step, steps, epochs);
    const rates = {
      learningRate: optimizer.learningRate * factor,
      neuronLearningRate: (optimizer.neuronLearningRate ?? optimizer.learningRate) * factor,
    };
    return { batch: rowsAt(step), optimizer: { ...optimizer, ...rates } };
  };
  const meter = new Meter(session.progressSeconds);
  while (state.step < steps) {
    // Whoever looks at the state between two steps (checkpoints, progress, an interruption, the end of the epoch) does so between two calls.
    const first = state.step;
    const end = Math.min(first + session.stepsAtOnce, steps);
    const { made, wallSeconds } = await session.steps(
      Array.from({ length: end - first }, (_, i) => stepAt(first + i)),
      { mode: phase, ...(end < steps ? { next: rowsAt(end) } : {}) },
    );
    const { sums } = state;
    for (const stats of made) {
      if (stats.badLayer >= 0 || !Number.isFinite(stats.loss) || !Number.isFinite(stats.gradientNorm))
        throw divergence(session, phase, `epoch ${state.epoch + 1}, step ${state.step + 1}`, stats);
      sums.loss += stats.loss * stats.count;
      sums.correct += stats.correct;
      sums.count += stats.count;
      stats.spikes.forEach((spikes, i) => (sums.spikes[i] = (sums.spikes[i] ?? 0) + spikes));
      state.step++;
    }
    sums.seconds += wallSeconds;
    session.mark();
    if (session.checkpointDue()) await session.save();
    if (meter.due()) {
      yield {
        event: 'progress',
        phase,
        activity: 'train',
        epoch: state.epoch + 1,
        epochs,
        step: state.step,
        steps,
        images: sums.count,
        imagesPerSecond: sums.count / sums.seconds,
        loss: sums.loss / sums.count,
        accuracy: sums.correct / sums.count,
        spikesPerNeuron: phase === 'snn' ? meanActivity(layerActivity(hidden, sums.spikes, sums.count)) : null,
      };
    }
  }
}

/** Metrics first, then the best, then the last checkpoint: a crash in between repeats the epoch and writes the same again. */
async function* closeEpoch(
  session: Session,
  phase: Phase,
  steps: number,
  validation: Evaluation | null,
): AsyncGenerator<TrainEvent, void> {
  const { state, config, hidden, folder } = session;
  const { epochs, optimizer, schedule } = config[phase];
  const { sums } = state;
  const layers =
    phase === 'ann'
      ? []
      : validation
        ? layerActivity(hidden, validation.spikes, validation.count)
        : layerActivity(hidden, sums.spikes, sums.count);
  const scores = { validationLoss: validation?.loss ?? null, validationAccuracy: validation?.accuracy ?? null };
  const event: EpochEvent = {
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
  const metricsBytes = await folder.appendMetric(state.metricsBytes, event);
  if (event.best) {
    const file = `${phase}-best.safetensors`;
    await session.network.save(folder.checkpoint(file));
    state.best[phase] = { epoch: event.epoch, accuracy: event.validationAccuracy, loss: event.validationLoss, file };
  }
  // From here the line counts, with the epoch: if a write before this fails, the state is that before the end of the epoch.
  state.metricsBytes = metricsBytes;
  state.epoch++;
  state.step = 0;
  state.sums = emptySums(hidden.length);
  await session.save();
  yield event;
  yield* activityWarnings(layers, phase, event.epoch);
}
