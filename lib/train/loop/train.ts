// Training as a stream of events: a new run, or the continuation of one.
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkString,
} from '../../check';
import type { DataWarning, LoadedDataset, ProgramDataset } from '../../data';
import { OneSpikeError } from '../../errors';
import { absolutePath } from '../../io/paths';
import { BACKEND_CHOICES, type BackendChoice, type BackendName } from '../../native/devices';
import { LIMITS } from '../../native/limits';
import { loadModules } from '../../native/modules';
import { resolveConfig, type TrainConfig, type TrainConfigInput } from '../config/config';
import { Pace } from '../minutes/pace';
import { planRun } from '../minutes/plan';
import { changeConfig, recordChange } from '../run/changes';
import { changedParts, changeWarning, checkClasses, hashDataset, type ImageHashes } from '../run/data-record';
import { PHASES, type RunWarning, type StartEvent, type TrainEvent } from '../run/events';
import { defaultOut, RunFolder, runPrecision, type RunInfo } from '../run/run-folder';
import { SharedRunFolder } from '../run/shared-folder';
import { next, type Stage } from '../run/state';
import { describeRun, initWarnings, resumedHere, startEvent } from './describe';
import { withoutImages, type TrainInput } from '../config/given';
import { keepOf } from '../rows/held';
import { inDirectory, loadConfigured, networkOf } from './model';
import {
  agreeOnNetwork,
  agreeOnRun,
  checkConnected,
  checkRanks,
  configForRanks,
  roundingWarnings,
  type Ranks,
} from './ranks';
import { Session, type SessionOptions } from './session';
import { saveOnError, withResumeAdvice } from './save-on-error';
import { stageWork } from './stages';
import { startStopwatch } from '../run/stopwatch';
import { checkWhitening } from '../start/start';
import { checkTeachers, copyTeachers } from './teacher';

/** Options of `train`. */
export interface TrainOptions {
  /** The signal that stops the run: the exact position is saved, then ERR_ABORTED is thrown. */
  signal?: AbortSignal | undefined;
  /** The seconds between progress events; 5 by default. */
  progressSeconds?: number;
  /**
   * The number of training steps in one call of native code; by default as many as the backend gains from, 1 on the
   * CPU. Results do not depend on it. Progress, checkpoints and interruptions come between two calls.
   */
  stepsAtOnce?: number | undefined;
  /**
   * The ranks that train the run together, each in a process that makes this call. All of them yield the same events;
   * rank 0 alone writes files. None by default.
   */
  ranks?: Ranks | undefined;
}

/** Options of `resume`. */
export interface ResumeOptions extends TrainOptions {
  /**
   * The backend; by default the one that ran last. Another one rounds otherwise, so results are no longer
   * bit-identical.
   */
  backend?: BackendChoice | undefined;
  /** The number of the GPU; by default the one that the configuration names. */
  device?: number | undefined;
  /** The number of CPU threads; by default that of the start of the run. Results do not depend on it. */
  threads?: number | undefined;
  /**
   * Whether to continue, with a warning, although the images are not those that the run began with; false by default.
   */
  acceptChangedData?: boolean | undefined;
  /** The folder of the data set, if its files have moved. The run remembers it. */
  directory?: string | undefined;
  /** The images again, where a program handed them to `train`; streams begin anew. */
  dataset?: ProgramDataset | undefined;
  /**
   * Changes of the configuration: more epochs, other rates. A finished run with more epochs continues its last phase.
   */
  changes?: TrainConfigInput | undefined;
  /** Whether to take the lock of a process on another machine or in another container at once; false by default. */
  force?: boolean | undefined;
}

/**
 * Trains a network and yields what happens, ending with `done`. Leaving the loop early saves the run, so that it can be
 * resumed. The images are those of a data set, by its name, or those of the program, as arrays or streams: `dataset: {
 * train, test }`.
 *
 * Errors: ERR_ARG (configuration), ERR_SHAPE (network), ERR_ABORTED (the signal fired; the run is saved), ERR_STATE
 * (the loss is no longer finite, or the run folder is not free), ERR_IO, ERR_FORMAT (data), ERR_NO_BACKEND.
 */
export async function* train(
  config: TrainInput = {},
  options: TrainOptions = {},
): AsyncGenerator<TrainEvent, void, undefined> {
  const elapsed = startStopwatch();
  const checked = checkTrainOptions(options);
  const given = withoutImages(config);
  const { ranks } = checked;
  const resolved = configForRanks(resolveConfig(given.config), ranks);
  // run.json names files and folders by absolute paths, because it may be read from any folder.
  if (resolved.dataset.directory !== undefined) resolved.dataset.directory = absolutePath(resolved.dataset.directory);
  if (resolved.init !== undefined) resolved.init = absolutePath(resolved.init);
  for (const { distillation } of PHASES.map((phase) => resolved[phase]))
    if (distillation.teacher !== undefined) distillation.teacher = absolutePath(distillation.teacher);
  const folder = folderOf(absolutePath(resolved.out ?? defaultOut(runName(resolved))), ranks);
  const another = resolved.out === undefined;
  // Whatever can be refused is refused before the folder exists; the images are read before, too, for they may lie
  // around it.
  await folder.checkFree({ another });
  const loaded = await loadConfigured(resolved, folder.path, {
    ...checked,
    images: given.images,
    keep: keepOf(resolved, ranks),
  });
  const hash = await hashDataset(loaded);
  await agreeOnRun(ranks, resolved, hash);
  const { minutes } = resolved;
  const timing = { elapsed: () => elapsed().seconds, signal: checked.signal };
  const planned = minutes === undefined ? undefined : await planRun(resolved, minutes, loaded, timing);
  const chosen = planned?.config ?? resolved;
  const description = networkOf(chosen.model, loaded);
  checkWhitening(chosen.start, description);
  await folder.lead(() => checkTeachers(chosen, description));
  const session = await Session.open(
    { config: chosen, folder, loaded, description, resumed: false },
    (network, images) => ({
      info: {
        ...describeRun(chosen, loaded, hash, network, images),
        ...(planned === undefined ? {} : { plan: planned.plan }),
      },
      warnings: [...roundingWarnings(ranks), ...initWarnings(chosen, images), ...warningEvents(loaded.warnings)],
    }),
    planned === undefined ? checked : { ...checked, pace: new Pace(planned), timeBefore: elapsed() },
  );
  const begin = async (): Promise<void> => {
    await folder.create({ another });
    await folder.writeInfo(session.info);
    await folder.prepare();
    await copyTeachers(chosen, folder);
    await session.save();
  };
  try {
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
 * Continues an interrupted run and yields what happens; the result is bit-identical to that of an uninterrupted run. A
 * finished run yields `done` once more, unless `changes` give it more epochs.
 *
 * Errors: those of `train`; ERR_IO if there is no run at `run`, ERR_ARG for a change that a run does not allow.
 */
export async function* resume(run: string, options: ResumeOptions = {}): AsyncGenerator<TrainEvent, void, undefined> {
  const checked = checkTrainOptions(options, resumeOptions);
  const { ranks } = checked;
  const folder = folderOf(absolutePath(checkString(run, 'run')), ranks);
  const { backend, device, threads, acceptChangedData, directory, changes = {}, force, dataset: images } = options;
  if (backend !== undefined) checkOneOf(backend, 'backend', BACKEND_CHOICES);
  if (device !== undefined) checkInteger(device, 'device', LIMITS.device);
  if (threads !== undefined) checkInteger(threads, 'threads', { min: 0, max: LIMITS.threads.max });
  if (acceptChangedData !== undefined) checkBoolean(acceptChangedData, 'acceptChangedData');
  if (force !== undefined) checkBoolean(force, 'force');
  const stored = await folder.readInfo();
  const changed = changeConfig(inDirectory(stored.config, directory), changes);
  checkRanks(stored.config.shards, ranks);
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
    const loaded = await loadConfigured(config, folder.path, { ...checked, images, keep: keepOf(config, ranks) });
    const hash = await hashDataset(loaded);
    await agreeOnRun(ranks, config, hash);
    const differences = checkSameData(stored, loaded, hash, acceptChangedData === true);
    const session = await Session.open(
      { config, folder, loaded, description: stored.network, resumed: true },
      (network, _images, state) => {
        const here = resumedHere(stored, network);
        const noted = warningEvents([...differences, ...loaded.warnings]);
        const warnings = [...roundingWarnings(ranks), ...here.warnings, ...noted];
        return { info: recordChange(here.info, changed, state), warnings };
      },
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

/**
 * What has changed about the images of a run, if that is accepted.
 * Errors: ERR_STATE if the classes are others, or if the images are and `accept` is false.
 */
function checkSameData(info: RunInfo, loaded: LoadedDataset, hash: ImageHashes, accept: boolean): DataWarning[] {
  checkClasses(info.dataset, loaded.train.classes, `the data set ${loaded.name}`);
  const parts = changedParts(info.dataset, loaded, hash);
  const warnings = parts.map((part) => changeWarning(info.dataset, loaded, part));
  if (parts.length === 0 || accept) return warnings;
  throw new OneSpikeError(
    'ERR_STATE',
    `Expected the images of the run but ${warnings.map(({ message }) => message).join('; and ')}. Restore them, or continue with ` +
      'these (acceptChangedData, --accept-changed-data)',
  );
}

function warningEvents(warnings: readonly DataWarning[]): RunWarning[] {
  return warnings.map((warning) => ({ event: 'warning', ...warning }));
}

const trainOptions = [
  'signal',
  'progressSeconds',
  'stepsAtOnce',
  'ranks',
] as const satisfies readonly (keyof TrainOptions)[];
const resumeOptions = [
  ...trainOptions,
  'backend',
  'device',
  'threads',
  'acceptChangedData',
  'directory',
  'dataset',
  'changes',
  'force',
] as const satisfies readonly (keyof ResumeOptions)[];

function checkTrainOptions(options: unknown, allowed: readonly (keyof ResumeOptions)[] = trainOptions): SessionOptions {
  const { signal, progressSeconds, stepsAtOnce, ranks } = checkOptions(options, 'options', allowed);
  return {
    signal: checkSignal(signal, 'signal'),
    progressSeconds: progressSeconds === undefined ? 5 : checkNumber(progressSeconds, 'progressSeconds', { min: 0 }),
    stepsAtOnce: stepsAtOnce === undefined ? undefined : checkInteger(stepsAtOnce, 'stepsAtOnce', LIMITS.steps),
    ranks: ranks === undefined ? null : checkConnected(ranks),
  };
}

function folderOf(path: string, ranks: Ranks | null): RunFolder {
  return ranks === null ? new RunFolder(path) : new SharedRunFolder(path, ranks);
}

/**
 * Puts the folder in order by `begin`, then does the work that is left, and disposes of the session whatever happens.
 */
async function* work(
  session: Session,
  resumed: StartEvent['resumed'],
  begin: () => Promise<void>,
): AsyncGenerator<TrainEvent, void> {
  try {
    loadModules();
    await agreeOnNetwork(session.together.ranks, session.network);
    await session.together.link(session.network);
    await begin().catch(async (error) => {
      throw await withResumeAdvice(error, session.folder);
    });
    yield* savingWhenEnded(session, stagesOf(session, resumed));
  } finally {
    await session.dispose();
  }
}

/** The stages that are left. What a stage reports comes when the start of the next one is on disk. */
async function* stagesOf(session: Session, resumed: StartEvent['resumed']): AsyncGenerator<TrainEvent, void> {
  yield startEvent(session, resumed);
  if (session.info.plan !== undefined && resumed === null) yield { event: 'plan', ...session.info.plan };
  yield* session.warnings;
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
    const { saved, error: reported } = await saveOnError(session, error);
    const { stage, epoch, step } = session.state;
    if (saved) yield { event: 'saved', run: session.folder.path, stage, epoch, step };
    throw reported;
  } finally {
    if (leftByConsumer) await session.saveInterrupted();
  }
}
