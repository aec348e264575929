// The work of each stage of a run. Every one may be broken off and begun again from the checkpoint that it started
// with.
import { timestepsAt } from '../config/incremental';
import type { ResolvedNetwork } from '../../model/description';
import { spikingFromBinary } from '../../model/binary';
import { mostSpikes } from '../../model/code/steps';
import { foldAll, foldNorm, foldsNorm, hasNorm } from '../../model/fold';
import { writeModel } from '../../model/model-file';
import { activityWarnings, layerActivity, meanActivity } from '../run/activity';
import type { ConvertedEvent, DoneEvent, TrainEvent } from '../run/events';
import { convertedParameters } from '../run/neurons';
import { lastPhase, type Stage } from '../run/state';
import { writeTestRecord } from '../run/test-record';
import { AnswerCollector } from '../test/answers';
import { completeRecord } from '../test/record';
import { equalThresholds } from './beginning';
import { summariseEnergy } from './energy';
import { evaluate } from './evaluate';
import { trainPhase } from './phase';
import type { Session } from './session';

/** Does the work and yields its events; returns what is to be reported once the stage that follows is on disk. */
type StageWork = (session: Session) => AsyncGenerator<TrainEvent, TrainEvent[]>;

export const stageWork: Record<Stage, StageWork> = {
  ann: trainAnn,
  binary: trainBinary,
  convert,
  snn: trainSnn,
  finish,
};

async function* trainAnn(session: Session): AsyncGenerator<TrainEvent, TrainEvent[]> {
  yield* trainPhase(session, 'ann');
  return [];
}

/** The best ANN, its activations binary from now on, with one threshold for all hidden layers at first. */
async function* trainBinary(session: Session): AsyncGenerator<TrainEvent, TrainEvent[]> {
  const { epoch, step } = session.state;
  if (epoch === 0 && step === 0) {
    await session.loadBest('ann');
    // A network that was neither trained nor loaded has no accuracy worth a pass over the test images.
    if (session.state.best.ann !== null || session.config.init !== undefined)
      yield* evaluate(session, { part: 'test', mode: 'ann', activity: 'test' });
    await session.network.setParameters(equalThresholds(session.hidden, session.config.binary.threshold));
  }
  yield* trainPhase(session, 'binary');
  return [];
}

/** Spiking epochs. Without a conversion they start from the best ANN, with the thresholds of the description. */
async function* trainSnn(session: Session): AsyncGenerator<TrainEvent, TrainEvent[]> {
  const { epoch, step } = session.state;
  if (!session.config.convert.enabled && epoch === 0 && step === 0) await session.loadBestAnn();
  yield* trainPhase(session, 'snn');
  return [];
}

/**
 * Puts the thresholds of the best ANN (or of the network as it is) where its inputs say. Binary activations have
 * thresholds already, and for one time step the network is equal to the ANN.
 */
async function* convert(session: Session): AsyncGenerator<TrainEvent, TrainEvent[]> {
  const { config, images, hidden } = session;
  const { rows } = images;
  const best = await session.loadBestAnn();
  const mode = best ?? (config.init === undefined ? null : 'ann');
  if (mode !== null) yield* evaluate(session, { part: 'test', mode, activity: 'test' });
  await session.throwIfStopped();
  await foldNetwork(session);
  if (config.snn.epochs > 0) await session.setTimesteps(timestepsAt(config, 0));
  if (mode === 'binary') await sendSpikes(session);
  else await calibrate(session);
  const validation =
    rows.validation.length === 0
      ? null
      : yield* evaluate(session, { part: 'validation', mode: 'snn', activity: 'convert' });
  const test = yield* evaluate(session, { part: 'test', mode: 'snn', activity: 'test' });
  const layers = layerActivity(hidden, test.spikes, test.count);
  const event: ConvertedEvent = {
    event: 'converted',
    accuracy: test.accuracy,
    validationAccuracy: validation?.accuracy ?? null,
    annTestAccuracy: session.state.annTestAccuracy,
    binaryTestAccuracy: session.state.binaryTestAccuracy,
    thresholds: await convertedParameters(session.network),
    spikesPerNeuron: meanActivity(layers),
    layers,
  };
  await session.recordConversion(event, validation);
  const most = mostSpikes(session.network.description);
  return [event, ...activityWarnings(layers, { phase: 'snn', epoch: 0, most }, config)];
}

/** Goes on with the network whose normalisation is part of its weights and biases. */
async function foldNetwork(session: Session): Promise<void> {
  const { network } = session;
  // Networks with a code are trained with their normalisation.
  if (network.description.code === undefined && foldsNorm(network.description))
    await session.replaceNetwork(await foldNorm(network.description, await network.parameters()));
}

async function sendSpikes({ network }: Session): Promise<void> {
  const { description } = network;
  await network.setParameters(await spikingFromBinary({ network: description, tensors: await network.parameters() }));
}

async function calibrate({ config, images, network, signal }: Session): Promise<void> {
  const { percentile, scale } = config.convert;
  const batch = images.calibration;
  const { code } = network.description;
  if (code === undefined && (hasHiddenBias(network.description) || hasNorm(network.description)))
    await network.rescaleActivations(batch, { percentile, signal });
  await network.calibrate(batch, { percentile, scale, signal });
}

function hasHiddenBias({ layers }: ResolvedNetwork): boolean {
  return layers.some(({ bias, output }) => bias && !output);
}

/** model.safetensors, the test accuracy, the energy and the record of the test images of the best network. */
async function* finish(session: Session): AsyncGenerator<TrainEvent, TrainEvent[]> {
  const { config, network, folder, images, hidden } = session;
  const mode = lastPhase(config);
  const spiking = mode === 'snn';
  await session.loadBest(mode);
  const { classes, labels } = images.testSet;
  const collector = new AnswerCollector(labels, classes.length);
  const test = yield* evaluate(session, {
    part: 'test',
    mode,
    activity: 'test',
    onLogits: (logits) => collector.add(logits),
  });
  const layers = spiking ? layerActivity(hidden, test.spikes, test.count) : [];
  const { sharing } = session.together;
  const { signal } = session;
  const record = await completeRecord(network, images.testSet, collector, { mode, config, signal, sharing });
  const energy = record.energy === null ? ({ ratio: null } as const) : summariseEnergy(record.energy);
  const whole = { network: network.description, tensors: await network.parameters() };
  const model = whole.network.genes === undefined ? await foldAll(whole.network, whole.tensors) : whole;
  const extra = { classes: JSON.stringify(classes), dataset: session.info.dataset.name, mode };
  await folder.lead(async () => {
    await writeModel(folder.modelPath, model.network, model.tensors, { extra });
    await writeTestRecord(folder.testPath, record);
  });
  const done: DoneEvent = {
    event: 'done',
    run: folder.path,
    model: network.description.name,
    dataset: session.info.dataset.name,
    ann: { testAccuracy: session.state.annTestAccuracy },
    binary: { testAccuracy: session.state.binaryTestAccuracy },
    converted: { testAccuracy: session.state.convertedTestAccuracy },
    snn: spiking
      ? { testAccuracy: test.accuracy, spikesPerNeuron: meanActivity(layers), layers }
      : { testAccuracy: null, spikesPerNeuron: null, layers },
    energy,
    ...session.time(),
  };
  await session.recordDone(done);
  return [done];
}
