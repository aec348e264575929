/** What lies between and after the phases: conversion to spikes, and the final account. */
import { calibrationIndices } from './order';
import { evaluate } from './evaluate';
import type { ConvertedEvent, DoneEvent, TrainEvent } from '../run/events';
import { measureEnergy, summariseEnergy } from './energy';
import type { Session } from './session';
import { emptySums, layerActivity, meanActivity } from '../run/state';
import { activityWarnings } from './watch';

/** Puts the thresholds of the best ANN (or of the network as it is) where its inputs say; ends in stage `snn`. */
export async function* convertStage(session: Session): AsyncGenerator<TrainEvent, void> {
  const { config, network, state, folder, rows, hidden } = session;
  if (state.best.ann !== null) await network.load(folder.checkpoint(state.best.ann.file));
  // A network that was neither trained nor loaded has no accuracy worth a look at the test images.
  const trained = state.best.ann !== null || config.init !== undefined;
  const ann = trained
    ? yield* evaluate(session, { part: 'test', rows: rows.test, mode: 'ann', activity: 'test' })
    : null;
  session.throwIfAborted();
  const { percentile, scale, images } = config.convert;
  const indices = calibrationIndices(rows.train, config.seed, images);
  await network.calibrate({ dataset: session.datasets.train, indices }, { percentile, scale, signal: session.signal });
  const validation =
    rows.validation.length === 0
      ? null
      : yield* evaluate(session, { part: 'train', rows: rows.validation, mode: 'snn', activity: 'convert' });
  const test = yield* evaluate(session, { part: 'test', rows: rows.test, mode: 'snn', activity: 'test' });
  const layers = layerActivity(hidden, test.spikes, test.count);
  const event: ConvertedEvent = {
    event: 'converted',
    accuracy: test.accuracy,
    validationAccuracy: validation?.accuracy ?? null,
    annTestAccuracy: ann?.accuracy ?? null,
    thresholds: await thresholdsOf(session),
    spikesPerNeuron: meanActivity(layers),
    layers,
  };
  state.metricsBytes = await folder.appendMetric(state.metricsBytes, event);
  const file = 'converted.safetensors';
  await network.save(folder.checkpoint(file));
  state.best.snn = { epoch: 0, accuracy: validation?.accuracy ?? null, loss: validation?.loss ?? null, file };
  state.annTestAccuracy = ann?.accuracy ?? null;
  state.convertedTestAccuracy = test.accuracy;
  state.sums = emptySums(hidden.length);
  await session.enter('snn');
  yield event;
  yield* activityWarnings(layers, 'snn', 0);
}

async function thresholdsOf(session: Session): Promise<Record<string, number>> {
  const thresholds: Record<string, number> = {};
  for (const [name, { data }] of await session.network.parameters()) {
    if (name.endsWith('.threshold')) thresholds[name] = data[0]!;
  }
  return thresholds;
}

/** model.safetensors, the test accuracy and the energy of the best network. */
export async function* finishStage(session: Session): AsyncGenerator<TrainEvent, DoneEvent> {
  const { config, network, state, folder, rows, hidden } = session;
  const spiking = config.convert.enabled || config.snn.epochs > 0;
  const best = spiking ? state.best.snn : state.best.ann;
  if (best !== null) await network.load(folder.checkpoint(best.file));
  const test = yield* evaluate(session, {
    part: 'test',
    rows: rows.test,
    mode: spiking ? 'snn' : 'ann',
    activity: 'test',
  });
  const layers = spiking ? layerActivity(hidden, test.spikes, test.count) : [];
  const energy =
    spiking && config.energy.images > 0
      ? summariseEnergy(
          await measureEnergy(network, session.test, {
            images: config.energy.images,
            batch: config.evaluation.batch,
            signal: session.signal,
          }),
        )
      : ({ ratio: null } as const);
  await network.save(folder.modelPath, {
    classes: JSON.stringify(session.test.classes),
    dataset: config.dataset.name,
    mode: spiking ? 'snn' : 'ann',
  });
  return {
    event: 'done',
    run: folder.path,
    model: network.description.name,
    dataset: config.dataset.name,
    ann: { testAccuracy: spiking ? state.annTestAccuracy : test.accuracy },
    converted: { testAccuracy: state.convertedTestAccuracy },
    snn: spiking
      ? { testAccuracy: test.accuracy, spikesPerNeuron: meanActivity(layers), layers }
      : { testAccuracy: null, spikesPerNeuron: null, layers },
    energy,
    seconds: session.seconds(),
  };
}
