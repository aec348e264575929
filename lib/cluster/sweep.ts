// A study worked on by one process, and by any number of others in the same folder at the same time.
import { setTimeout } from 'node:timers/promises';
import { checkInteger, checkOptions, checkSignal, checkString } from '../check';
import { OneSpikeError } from '../errors';
import { absolutePath } from '../io/paths';
import { LIMITS } from '../native/limits';
import { rank, stagesOf, trialsOfStage, lastResults, type RankedCandidate, type TrialResult } from './ranking';
import { parseStudy, type Method, type Study } from './study';
import { StudyFolder } from './study-folder';
import { runTrial } from './trial';
import { checkTrials, trialsOf, type Trial } from './trials';

/** Options of `sweep`. */
export interface SweepOptions {
  /** The folder of the study; `sweeps/NAME` by default. */
  out?: string | undefined;
  /** The number of CPU threads of a trial; 0, as many as there are cores, by default. */
  threads?: number | undefined;
  /** The number of the GPU; by default the first that can be used, if the configuration does not ask for the CPU. */
  device?: number | undefined;
  /** The signal that stops the sweep: the trial that runs is saved, then ERR_ABORTED is thrown. */
  signal?: AbortSignal | undefined;
}

/** The first event of a sweep. */
export interface SweepEvent {
  event: 'sweep';
  /** The folder of the study. */
  out: string;
  /** The name of the study. */
  name: string;
  /** The method by which it chooses values. */
  method: Method;
  /** The number of its trials, and of those that have ended already. */
  trials: number;
  ended: number;
  /** The number of stages; 1 but for successive halving. */
  stages: number;
}

/** The event of a trial that begins, or goes on. */
export interface BeginEvent extends Trial {
  event: 'begin';
  /** The stage, counted from 0. */
  stage: number;
}

/** The event of a trial that has ended, or one stage of it. */
export interface TrialEvent extends TrialResult {
  event: 'trial';
}

/** The last event of a sweep. */
export interface SweptEvent {
  event: 'swept';
  /** The folder of the study. */
  out: string;
  /** The numbers of trials by how they ended. */
  done: number;
  diverged: number;
  failed: number;
  /** The candidates, the best first. */
  candidates: RankedCandidate[];
}

/** An event of a sweep; `event` tells its kind. */
export type SweepEvents = SweepEvent | BeginEvent | TrialEvent | SweptEvent;

/** Between two looks at trials that other processes work on. */
const POLL_MILLISECONDS = 1000;

/**
 * Runs the trials of a study one after the other and yields what happens, ending with `swept`. Any number of processes
 * may do so with the same study and folder at the same time: each takes trials that no other works on, and waits for
 * the last ones. Started again after an end of any kind it goes on where it was.
 *
 * Errors: ERR_ARG (study), ERR_STATE (the folder holds another study), ERR_ABORTED (the trial is saved), ERR_IO and
 * what else is no fault of a single trial.
 */
export async function* sweep(study: unknown, options: SweepOptions = {}): AsyncGenerator<SweepEvents, void, undefined> {
  const { out, threads, device, signal } = checkOptions(options, 'options', ['out', 'threads', 'device', 'signal']);
  const checked = parseStudy(study);
  const share = {
    threads: threads === undefined ? 0 : checkInteger(threads, 'threads', { min: 0, max: LIMITS.threads.max }),
    device: device === undefined ? null : checkInteger(device, 'device', LIMITS.device),
    signal: checkSignal(signal, 'signal'),
  };
  const folder = await openStudy(checked, out === undefined ? undefined : checkString(out, 'out'));
  yield await sweepEvent(folder);
  yield* workOn(folder, share);
  yield await sweptEvent(folder);
}

/** The folder of a study, its trials checked before anything is written. Errors: ERR_ARG, ERR_STATE, ERR_IO. */
export async function openStudy(study: Study, out: string | undefined): Promise<StudyFolder> {
  checkTrials(study, trialsOf(study));
  return StudyFolder.open(absolutePath(out ?? `sweeps/${study.name}`), study);
}

export async function sweepEvent(folder: StudyFolder): Promise<SweepEvent> {
  const { path, study } = folder;
  const { name, method } = study;
  const ended = lastResults(await folder.results()).length;
  return { event: 'sweep', out: path, name, method, trials: trialsOf(study).length, ended, stages: stagesOf(study) };
}

/** Writes what all results say together, and says it. */
export async function sweptEvent(folder: StudyFolder): Promise<SweptEvent> {
  await folder.summarise();
  const results = await folder.results();
  const count = (wanted: TrialResult['status']): number =>
    lastResults(results).filter(({ status }) => status === wanted).length;
  return {
    event: 'swept',
    out: folder.path,
    done: count('done'),
    diverged: count('diverged'),
    failed: count('failed'),
    candidates: rank(results),
  };
}

type Work = Parameters<typeof runTrial>[3];

/** Takes trials until every one of every stage has a result. */
async function* workOn(folder: StudyFolder, work: Work): AsyncGenerator<BeginEvent | TrialEvent, void> {
  const { study } = folder;
  const trials = trialsOf(study);
  for (let stage = 0; stage < stagesOf(study); ) {
    throwIfAborted(work.signal);
    const results = await folder.results();
    const due = trialsOfStage(study, trials, results, stage) ?? [];
    const ended = new Set(results.filter((result) => result.stage === stage).map(({ trial }) => trial));
    const open = due.filter(({ trial }) => !ended.has(trial));
    if (open.length === 0) stage++;
    else if (!(yield* workOnOne(folder, open, stage, work)))
      await setTimeout(POLL_MILLISECONDS, undefined, { signal: work.signal }).catch(() => undefined);
  }
}

/** Works on the first trial that no other process has; false if there is none. */
async function* workOnOne(
  folder: StudyFolder,
  open: readonly Trial[],
  stage: number,
  work: Work,
): AsyncGenerator<BeginEvent | TrialEvent, boolean> {
  for (const trial of open) {
    const lock = await folder.take(trial.trial);
    if (lock === undefined) continue;
    try {
      // It may have ended between the look and the lock.
      if (await folder.hasResult(trial.trial, stage)) return true;
      yield { event: 'begin', ...trial, stage };
      const result = await runTrial(folder, trial, stage, work);
      await lock.assertHeld();
      await folder.writeResult(result);
      yield { event: 'trial', ...result };
    } finally {
      await lock.release();
    }
    await folder.summarise();
    return true;
  }
  return false;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new OneSpikeError('ERR_ABORTED', 'The sweep was interrupted');
}
