/** Training as a stream of events: a new run, or the continuation of one. */
import { rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { checkInteger, checkNumber, checkOneOf, checkOptions, checkSignal, checkString } from '../../check';
import { OneSpikeError } from '../../errors';
import { MAX_STEPS } from '../../model/network-inputs';
import { BACKEND_CHOICES, MAX_DEVICE, type BackendChoice, type BackendName } from '../../native/devices';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import type { StartEvent, TrainEvent } from '../run/events';
import { lockRun } from '../run/lock';
import { defaultOut, RunFolder, runPrecision, type RunInfo } from '../run/run-folder';
import { next, type Stage } from '../run/state';
import { describeRun, startEvent } from './describe';
import { loadConfigured, networkOf } from './model';
import { isAbort, Session, type SessionOptions } from './session';
import { stageWork } from './stages';

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
  /** In place of the backend that ran last. Another one rounds otherwise, so the results are no longer bit-identical. */
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
  const checked = checkTrainOptions(options);
  const resolved = resolveConfig(config);
  // run.json names the folder of the data for whoever reads it, from wherever that is.
  if (resolved.dataset.directory !== undefined) resolved.dataset.directory = resolve(resolved.dataset.directory);
  const name = `${resolved.model.layers === undefined ? resolved.model.name : (resolved.model.name ?? 'custom')}-${resolved.dataset.name}`;
  const folder = new RunFolder(resolve(resolved.out ?? defaultOut(name)));
  await folder.create();
  const unlock = await lockRun(folder.path);
  let begun = false;
  try {
    const loaded = await loadConfigured(resolved, checked.signal);
    const session = await Session.open(
      { config: resolved, folder, loaded, description: networkOf(resolved.model, loaded) },
      (network, images) => describeRun(resolved, loaded, network, images),
      checked,
    );
    const begin = async (): Promise<void> => {
      await folder.writeInfo(session.info);
      begun = true;
      await folder.prepare();
      await session.save();
    };
    yield* work(session, null, begin);
  } finally {
    await unlock();
    // A run that failed before it began leaves nothing behind.
    if (!begun) await rmdir(folder.path).catch(() => undefined);
  }
}

/**
 * Goes on with an interrupted run; the result is bit-identical to that of a run that never stopped. Of a finished run only `done`
 * comes, once more. Errors as of `train`; ERR_IO if there is no run at `run`.
 */
export async function* resume(run: string, options: ResumeOptions = {}): AsyncGenerator<TrainEvent, void, undefined> {
  const folder = new RunFolder(resolve(checkString(run, 'run')));
  const checked = checkTrainOptions(options, ['backend', 'device', 'threads']);
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
    const loaded = await loadConfigured(config, checked.signal);
    const session = await Session.open(
      { config, folder, loaded, description: info.network },
      (network) => onBackend(info, network.backend),
      checked,
    );
    const begin = async (): Promise<void> => {
      await folder.prepare();
      await folder.truncateMetrics(session.state.metricsBytes);
      if (session.info.backend !== info.backend) await folder.writeInfo(session.info);
    };
    const { stage, epoch, step } = session.state;
    yield* work(session, { stage, epoch, step, backend: info.backend }, begin);
  } finally {
    await unlock();
  }
}

function onBackend(info: RunInfo, backend: BackendName): RunInfo {
  if (backend === info.backend) return info;
  return { ...info, backend, earlierBackends: [...(info.earlierBackends ?? []), info.backend] };
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

/** Puts the folder in order by `begin`, then does the work that is left, and disposes of the session whatever happens. */
async function* work(
  session: Session,
  resumed: StartEvent['resumed'],
  begin: () => Promise<void>,
): AsyncGenerator<TrainEvent, void> {
  try {
    await begin();
    yield* savingWhenInterrupted(session, stagesOf(session, resumed));
  } finally {
    await session.dispose();
  }
}

/** The stages that are left. What a stage reports comes when the start of the next one is on disk. */
async function* stagesOf(session: Session, resumed: StartEvent['resumed']): AsyncGenerator<TrainEvent, void> {
  yield startEvent(session, resumed);
  for (let stage: Stage | null = session.state.stage; stage !== null; ) {
    const report = yield* stageWork[stage](session);
    stage = next(stage, session.config);
    if (stage !== null) await session.enter(stage);
    yield* report;
  }
}

/** Passes the events on. If the signal or the consumer ends them, the run is saved where it is. */
async function* savingWhenInterrupted(
  session: Session,
  events: AsyncGenerator<TrainEvent, void>,
): AsyncGenerator<TrainEvent, void> {
  let leftByConsumer = true;
  try {
    yield* events;
    leftByConsumer = false;
  } catch (error) {
    leftByConsumer = false;
    if (!isAbort(error)) throw error;
    await session.saveInterrupted();
    const { stage, epoch, step } = session.state;
    yield { event: 'saved', run: session.folder.path, stage, epoch, step };
    throw error instanceof OneSpikeError
      ? error
      : new OneSpikeError('ERR_ABORTED', 'Training was interrupted', { cause: error });
  } finally {
    if (leftByConsumer) await session.saveInterrupted();
  }
}
