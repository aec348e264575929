/** Training as a stream of events: a new run, or the continuation of one. */
import { cpus, hostname, totalmem } from 'node:os';
import { BACKEND_CHOICES, hostInfo, MAX_DEVICE, type BackendChoice, type BackendName } from '../../native/devices';
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkString,
} from '../../check';
import type { LoadedDataset } from '../../data';
import { absolutePath } from '../../io/paths';
import { layerShapes } from '../../model/description';
import { MAX_STEPS } from '../../model/network-inputs';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import type { StartEvent, TrainEvent } from '../run/events';
import { inDirectory, loadConfigured, networkOf } from './model';
import { trainPhase } from './phase';
import { changeConfig, continueWith, type ChangedConfig } from '../run/changes';
import { defaultOut, RunFolder, runPrecision, type RunInfo } from '../run/run-folder';
import { Session, type SessionOptions } from './session';
import { resumable, settle } from './settle';
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
  /** Where the files of the data set are now, if they have moved. */
  directory?: string | undefined;
  /** Part of a configuration: more epochs, other rates. A finished run with more epochs goes back into its last phase. */
  changes?: TrainConfigInput | undefined;
  /** Takes the lock of a process on another machine or in another container at once, without waiting until it counts as abandoned. */
  force?: boolean | undefined;
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
  // run.json names files and folders for whoever reads it, from wherever that is.
  if (resolved.dataset.directory !== undefined) resolved.dataset.directory = absolutePath(resolved.dataset.directory);
  if (resolved.init !== undefined) resolved.init = absolutePath(resolved.init);
  const out = absolutePath(resolved.out ?? defaultOut(runName(resolved)));
  if (resolved.out !== undefined) await new RunFolder(out).checkFree();
  // Nothing is made before the data are read: they may lie in the folder above the run, and what fails leaves no trace.
  const loaded = await loadConfigured(resolved, { signal: sitting.signal, run: out });
  const network = networkOf(resolved.model, loaded);
  const folder = resolved.out === undefined ? await RunFolder.createNew(out) : new RunFolder(out);
  if (resolved.out !== undefined) await folder.create();
  try {
    const session = await Session.open(resolved, folder, loaded, network, sitting);
    const info = describeRun(resolved, session, loaded);
    const prepare = async (): Promise<void> => {
      await folder.writeInfo(info);
      await folder.prepare();
      await session.save();
    };
    yield* work(session, info, null, prepare);
  } finally {
    await folder.abandon();
  }
}

/** The first part of the default name of the run folder. */
function runName({ model, dataset }: TrainConfig): string {
  return `${model.layers === undefined ? model.name : (model.name ?? 'custom')}-${dataset.name}`;
}

/**
 * Goes on with an interrupted run, to the same bits as if it had never stopped. Of a finished run only `done` comes, once more,
 * unless `changes` give it more epochs.
 * Errors as of `train`; ERR_IO if there is no run at `run`, ERR_ARG for a change that a run cannot make.
 */
export async function* resume(run: string, options: ResumeOptions = {}): AsyncGenerator<TrainEvent, void, undefined> {
  const folder = new RunFolder(absolutePath(checkString(run, 'run')));
  const sitting = checkTrainOptions(options, ['backend', 'device', 'threads', 'directory', 'changes', 'force']);
  const { backend, device, threads, directory, changes = {}, force } = options;
  if (backend !== undefined) checkOneOf(backend, 'backend', BACKEND_CHOICES);
  if (device !== undefined) checkInteger(device, 'device', { min: 0, max: MAX_DEVICE });
  if (threads !== undefined) checkInteger(threads, 'threads', { min: 0, max: 1024 });
  if (force !== undefined) checkBoolean(force, 'force');
  const stored = await folder.readInfo();
  const changed = changeConfig(inDirectory(stored.config, directory), changes);
  const same = Object.keys(changed.set).length === 0;
  if (stored.results !== undefined && same) {
    yield { ...stored.results, run: folder.path };
    return;
  }
  await folder.lock({ force });
  try {
    // Another backend rounds otherwise, so `auto` must not choose again, and neither must the default of the precision.
    const config: TrainConfig = {
      ...changed.config,
      backend: backend ?? (stored.backend as BackendName),
      device: device ?? changed.config.device,
      threads: threads ?? changed.config.threads,
      precision: runPrecision(stored),
    };
    const loaded = await loadConfigured(config, { signal: sitting.signal, run: folder.path });
    const session = await Session.open(config, folder, loaded, stored.network, sitting);
    const now = recordOf(stored, changed, session);
    const prepare = async (): Promise<void> => {
      await folder.prepare();
      Object.assign(session.state, continueWith(session.state, stored.config, changed));
      session.state.metricsBytes = await folder.cutMetrics(session.state.metricsBytes);
      // The checkpoint first: until run.json has the changes too, nothing has happened.
      if (!same) await session.save();
      if (now !== stored) await folder.writeInfo(now);
    };
    const { stage, epoch, step } = session.state;
    yield* work(session, now, { stage, epoch, step, backend: stored.backend }, prepare);
  } finally {
    await folder.unlock();
  }
}

/** What run.json says of a run that goes on; `stored` itself if nothing is new. */
function recordOf(stored: RunInfo, { config, set }: ChangedConfig, session: Session): RunInfo {
  const { backend } = session.network;
  const { results, ...info } = stored;
  const moved = backend !== stored.backend;
  const changed = Object.keys(set).length > 0;
  if (!moved && !changed && config.dataset.directory === stored.config.dataset.directory) return stored;
  const { stage, epoch, step } = session.state;
  const change = {
    time: new Date().toISOString(),
    version: hostInfo().version,
    at: { stage, epoch, step },
    set,
    ...(results === undefined ? {} : { results }),
  };
  return {
    ...info,
    config,
    backend,
    ...(moved ? { earlierBackends: [...(stored.earlierBackends ?? []), stored.backend] } : {}),
    ...(changed ? { changes: [...(stored.changes ?? []), change] } : {}),
  };
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
    await prepare().catch(async (error) => {
      throw await resumable(error, folder);
    });
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
    if (!begun) throw error;
    const { saved, error: reported } = await settle(session, error);
    if (saved) yield { event: 'saved', run: folder.path, stage: state.stage, epoch: state.epoch, step: state.step };
    throw reported;
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
