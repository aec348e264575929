/** Training as a stream of events: a new run, or the continuation of one. */
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkString,
} from '../../check';
import { absolutePath } from '../../io/paths';
import { MAX_STEPS } from '../../model/network-inputs';
import { BACKEND_CHOICES, MAX_DEVICE, type BackendChoice, type BackendName } from '../../native/devices';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import { changeConfig, recordChange } from '../run/changes';
import type { StartEvent, TrainEvent } from '../run/events';
import { defaultOut, RunFolder, runPrecision, type RunInfo } from '../run/run-folder';
import { next, type Stage } from '../run/state';
import { describeRun, startEvent } from './describe';
import { inDirectory, loadConfigured, networkOf } from './model';
import { Session, type SessionOptions } from './session';
import { resumable, settle } from './settle';
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
  /** Where the files of the data set are now, if they have moved. */
  directory?: string | undefined;
  /** Part of a configuration: more epochs, other rates. A finished run with more epochs continues its last phase. */
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
  const checked = checkTrainOptions(options);
  const resolved = resolveConfig(config);
  // run.json names files and folders for whoever reads it, from wherever that is.
  if (resolved.dataset.directory !== undefined) resolved.dataset.directory = absolutePath(resolved.dataset.directory);
  if (resolved.init !== undefined) resolved.init = absolutePath(resolved.init);
  const out = absolutePath(resolved.out ?? defaultOut(runName(resolved)));
  if (resolved.out !== undefined) await new RunFolder(out).checkFree();
  // No folder before the data are read and the network is resolved: what fails until then leaves no trace.
  const loaded = await loadConfigured(resolved, out, checked.signal);
  const description = networkOf(resolved.model, loaded);
  const folder = await RunFolder.create(out, { another: resolved.out === undefined });
  try {
    const session = await Session.open(
      { config: resolved, folder, loaded, description },
      (network, images) => describeRun(resolved, loaded, network, images),
      checked,
    );
    const begin = async (): Promise<void> => {
      await folder.writeInfo(session.info);
      await folder.prepare();
      await session.save();
    };
    yield* work(session, null, begin);
  } finally {
    await folder.abandon();
  }
}

/** The first part of the default name of a run folder. */
function runName({ model, dataset }: TrainConfig): string {
  return `${model.layers === undefined ? model.name : (model.name ?? 'custom')}-${dataset.name}`;
}

/**
 * Continues an interrupted run; the result is bit-identical to that of a run that never stopped. Of a finished run only `done`
 * comes, once more, unless `changes` give it more epochs.
 * Errors as of `train`; ERR_IO if there is no run at `run`, ERR_ARG for a change that a run cannot take.
 */
export async function* resume(run: string, options: ResumeOptions = {}): AsyncGenerator<TrainEvent, void, undefined> {
  const folder = new RunFolder(absolutePath(checkString(run, 'run')));
  const checked = checkTrainOptions(options, resumeOptions);
  const { backend, device, threads, directory, changes = {}, force } = options;
  if (backend !== undefined) checkOneOf(backend, 'backend', BACKEND_CHOICES);
  if (device !== undefined) checkInteger(device, 'device', { min: 0, max: MAX_DEVICE });
  if (threads !== undefined) checkInteger(threads, 'threads', { min: 0, max: 1024 });
  if (force !== undefined) checkBoolean(force, 'force');
  const stored = await folder.readInfo();
  const changed = changeConfig(inDirectory(stored.config, directory), changes);
  if (stored.results !== undefined && Object.keys(changed.set).length === 0) {
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
    const loaded = await loadConfigured(config, folder.path, checked.signal);
    const session = await Session.open(
      { config, folder, loaded, description: stored.network },
      (network, _images, state) => recordChange(onBackend(stored, network.backend), changed, state),
      checked,
    );
    const { stage, epoch, step } = session.state;
    const begin = async (): Promise<void> => {
      await folder.prepare();
      await session.continueRun(stored.config, changed);
      if (session.info !== stored) await folder.writeInfo(session.info);
    };
    yield* work(session, { stage, epoch, step, backend: stored.backend }, begin);
  } finally {
    await folder.unlock();
  }
}

function onBackend(info: RunInfo, backend: BackendName): RunInfo {
  if (backend === info.backend) return info;
  return { ...info, backend, earlierBackends: [...(info.earlierBackends ?? []), info.backend] };
}

const trainOptions = ['signal', 'progressSeconds', 'stepsAtOnce'] as const satisfies readonly (keyof TrainOptions)[];
const resumeOptions = [
  ...trainOptions,
  'backend',
  'device',
  'threads',
  'directory',
  'changes',
  'force',
] as const satisfies readonly (keyof ResumeOptions)[];

function checkTrainOptions(options: unknown, allowed: readonly (keyof ResumeOptions)[] = trainOptions): SessionOptions {
  const { signal, progressSeconds, stepsAtOnce } = checkOptions(options, 'options', allowed);
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
    await begin().catch(async (error) => {
      throw await resumable(error, session.folder);
    });
    yield* savingWhenEnded(session, stagesOf(session, resumed));
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

/** Passes the events on. If the signal, a file or the consumer ends them, the run is saved where it is. */
async function* savingWhenEnded(
  session: Session,
  events: AsyncGenerator<TrainEvent, void>,
): AsyncGenerator<TrainEvent, void> {
  let leftByConsumer = true;
  try {
    yield* events;
    leftByConsumer = false;
  } catch (error) {
    leftByConsumer = false;
    const { saved, error: reported } = await settle(session, error);
    const { stage, epoch, step } = session.state;
    if (saved) yield { event: 'saved', run: session.folder.path, stage, epoch, step };
    throw reported;
  } finally {
    if (leftByConsumer) await session.saveInterrupted();
  }
}
