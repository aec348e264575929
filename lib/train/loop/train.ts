/** Training as a stream of events: a new run, or the continuation of one. */
import { cpus, hostname, totalmem } from 'node:os';
import { rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { BACKEND_CHOICES, hostInfo, MAX_DEVICE, type BackendChoice, type BackendName } from '../../native/devices';
import { checkInteger, checkNumber, checkOneOf, checkOptions, checkSignal, checkString } from '../../check';
import type { LoadedDataset } from '../../data';
import { OneSpikeError } from '../../errors';
import { layerShapes } from '../../model/description';
import { MAX_STEPS } from '../../model/network-inputs';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import type { StartEvent, TrainEvent } from '../run/events';
import { lockRun } from '../run/lock';
import { loadConfigured, networkOf } from './model';
import { trainPhase } from './phase';
import { defaultOut, RunFolder, runPrecision, type RunInfo } from '../run/run-folder';
import { isAbort, Session, type SessionOptions } from './session';
import { convertStage, finishStage } from './stages';

export interface TrainOptions {
  /** Stops the run: the exact position is saved, then ERR_ABORTED is thrown. */
  signal?: AbortSignal | undefined;
  /** Seconds between progress events; 5 by default. */
  progressSeconds?: number;
  /**
   * Training steps in one call of native code; by default as many as its backend finds worth it, 1 on the CPU. Results do not depend on
   * it. Progress, checkpoints and interruptions come between two calls.
   */
  stepsAtOnce?: number | undefined;
}

export interface ResumeOptions extends TrainOptions {
  /** In place of the backend that ran last. Another one rounds otherwise: the run goes on, but not to the same bits. */
  backend?: BackendChoice | undefined;
  /** In place of the GPU that the configuration names. */
  device?: number | undefined;
  /** In place of the number of threads the run was started with. Results do not depend on it. */
  threads?: number | undefined;
}

/**
 * Trains a network and yields what happens, ending with `done`. Leaving the loop early saves the run, so that it can be resumed.
 *
 * Errors: ERR_ARG (configuration), ERR_SHAPE (network), ERR_ABORTED (the signal fired; the run is saved), ERR_STATE (the loss is
 * no longer finite, or the run folder is not free), ERR_IO, ERR_FORMAT (data), ERR_NO_BACKEND.
 */
export async function* train(
  config: TrainConfigInput = {},
  options: TrainOptions = {},
): AsyncGenerator<TrainEvent, void, undefined> {
  const sitting = checkTrainOptions(options);
  const resolved = resolveConfig(config);
  // run.json names the folder of the data for whoever reads it, from wherever that is.
  if (resolved.dataset.directory !== undefined) resolved.dataset.directory = resolve(resolved.dataset.directory);
  const name = `${resolved.model.layers === undefined ? resolved.model.name : (resolved.model.name ?? 'custom')}-${resolved.dataset.name}`;
  const folder = new RunFolder(resolve(resolved.out ?? defaultOut(name)));
  await folder.create();
  const unlock = await lockRun(folder.path);
  let begun = false;
  try {
    const loaded = await loadConfigured(resolved, sitting.signal);
    const network = networkOf(resolved.model, loaded);
    const session = await Session.open(resolved, folder, loaded, network, sitting);
    const info = describeRun(resolved, session, loaded);
    const prepare = async (): Promise<void> => {
      await folder.writeInfo(info);
      begun = true;
      await folder.prepare();
      await session.save();
    };
    yield* work(session, info, null, prepare);
  } finally {
    await unlock();
    // A run that failed before it began leaves nothing behind.
    if (!begun) await rmdir(folder.path).catch(() => undefined);
  }
}

/**
 * Goes on with an interrupted run, to the same bits as if it had never stopped. Of a finished run only `done` comes, once more.
 * Errors as of `train`; ERR_IO if there is no run at `run`.
 */
export async function* resume(run: string, options: ResumeOptions = {}): AsyncGenerator<TrainEvent, void, undefined> {
  const folder = new RunFolder(resolve(checkString(run, 'run')));
  const sitting = checkTrainOptions(options, ['backend', 'device', 'threads']);
  const { backend, device, threads } = options;
  if (backend !== undefined) checkOneOf(backend, 'backend', BACKEND_CHOICES);
  if (device !== undefined) checkInteger(device, 'device', { min: 0, max: MAX_DEVICE });
  if (threads !== undefined) checkInteger(threads, 'threads', { min: 0, max: 1024 });
  const info = await folder.readInfo();
  if (info.results !== undefined) {
    yield { ...info.results, run: folder.path };
    return;
  }
  const unlock = await lockRun(folder.path);
  try {
    // Another backend rounds otherwise, so `auto` must not choose again, and neither must the default of the precision.
    const config: TrainConfig = {
      ...info.config,
      backend: backend ?? (info.backend as BackendName),
      device: device ?? info.config.device,
      threads: threads ?? info.config.threads,
      precision: runPrecision(info),
    };
    const loaded = await loadConfigured(config, sitting.signal);
    const session = await Session.open(config, folder, loaded, info.network, sitting);
    const moved = session.network.backend !== info.backend;
    const now = moved
      ? { ...info, backend: session.network.backend, earlierBackends: [...(info.earlierBackends ?? []), info.backend] }
      : info;
    const prepare = async (): Promise<void> => {
      await folder.prepare();
      await folder.truncateMetrics(session.state.metricsBytes);
      if (moved) await folder.writeInfo(now);
    };
    const { stage, epoch, step } = session.state;
    yield* work(session, now, { stage, epoch, step, backend: info.backend }, prepare);
  } finally {
    await unlock();
  }
}

function checkTrainOptions(options: unknown, more: readonly string[] = []): SessionOptions {
  const { signal, progressSeconds, stepsAtOnce } = checkOptions(options, 'options', [
    'signal',
    'progressSeconds',
    'stepsAtOnce',
    ...more,
  ]);
  return {
    signal: checkSignal(signal, 'signal'),
    progressSeconds: progressSeconds === undefined ? 5 : checkNumber(progressSeconds, 'progressSeconds', { min: 0 }),
    stepsAtOnce:
      stepsAtOnce === undefined ? undefined : checkInteger(stepsAtOnce, 'stepsAtOnce', { min: 1, max: MAX_STEPS }),
  };
}

/** The stages that are left, after `prepare`. Disposes of the session in the end. */
async function* work(
  session: Session,
  info: RunInfo,
  resumed: StartEvent['resumed'],
  prepare: () => Promise<void>,
): AsyncGenerator<TrainEvent, void> {
  const { state, config, folder } = session;
  let settled = true;
  try {
    await prepare();
    settled = false;
    yield startEvent(session, info, resumed);
    if (state.stage === 'ann') {
      yield* trainPhase(session, 'ann');
      if (config.convert.enabled) await session.enter('convert');
      else if (config.snn.epochs > 0) await enterSnn(session);
      else await session.enter('finish');
    }
    if (state.stage === 'convert') yield* convertStage(session);
    if (state.stage === 'snn') {
      yield* trainPhase(session, 'snn');
      await session.enter('finish');
    }
    const done = yield* finishStage(session);
    await folder.writeInfo({ ...info, results: done });
    settled = true;
    yield done;
  } catch (error) {
    const begun = !settled;
    settled = true;
    if (!begun || !isAbort(error)) throw error;
    await session.saveInterrupted();
    yield { event: 'saved', run: folder.path, stage: state.stage, epoch: state.epoch, step: state.step };
    throw error instanceof OneSpikeError
      ? error
      : new OneSpikeError('ERR_ABORTED', 'Training was interrupted', { cause: error });
  } finally {
    // The consumer left the loop: as if interrupted.
    if (!settled) await session.saveInterrupted();
    await session.dispose();
  }
}

/** Spiking training straight from the best ANN, with the thresholds of the description. */
async function enterSnn(session: Session): Promise<void> {
  const { network, state, folder } = session;
  if (state.best.ann !== null) await network.load(folder.checkpoint(state.best.ann.file));
  await session.enter('snn');
}

function startEvent(session: Session, info: RunInfo, resumed: StartEvent['resumed']): StartEvent {
  const { network, config, folder, rows } = session;
  return {
    event: 'start',
    run: folder.path,
    version: info.version,
    backend: network.backend,
    device: network.processor,
    precision: network.precision,
    threads: network.threads,
    model: network.description.name,
    dataset: config.dataset.name,
    seed: config.seed,
    parameters: layerShapes(network.description).reduce((sum, layer) => sum + layer.parameters, 0),
    timesteps: network.description.timesteps,
    images: { train: rows.train.length, validation: rows.validation.length, test: rows.test.length },
    resumed,
  };
}

function describeRun(config: TrainConfig, session: Session, loaded: LoadedDataset): RunInfo {
  const { network, rows } = session;
  const { version, simdTarget } = hostInfo();
  return {
    format: 1,
    version,
    created: new Date().toISOString(),
    config,
    seed: config.seed,
    backend: network.backend,
    precision: network.precision,
    network: network.description,
    dataset: {
      name: loaded.name,
      classes: loaded.train.classes,
      train: rows.train.length,
      validation: rows.validation.length,
      test: rows.test.length,
      mean: network.description.mean,
      std: network.description.std,
    },
    host: {
      name: hostname(),
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryBytes: totalmem(),
      node: process.version,
      simd: simdTarget,
    },
  };
}
