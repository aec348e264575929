// One trial: an ordinary run, begun or continued, and what is worth knowing of its end.
import { exists } from '../io/status';
import { isOneSpikeError } from '../errors';
import type { TrainConfig } from '../train/config/config';
import { isDivergence } from '../train/loop/divergence';
import { resume, train } from '../train/loop/train';
import type { DoneEvent, TrainEvent } from '../train/run/events';
import { loadRun, type Run } from '../train/run/load-run';
import { RunFolder } from '../train/run/run-folder';
import { lastPhase } from '../train/run/state';
import type { Share } from './division';
import type { TrialResult } from './ranking';
import type { StudyFolder } from './study-folder';
import { trialConfig, type Trial } from './trials';

/** Errors of the configuration of a trial: others may do better. */
const ownFaults: readonly string[] = ['ERR_ARG', 'ERR_SHAPE', 'ERR_OOM'];

/**
 * Trains a trial to the end of a stage, or goes on where a process that is gone has left it. What concerns this trial
 * alone is its result: a loss that is no longer finite, a network that does not fit.
 * Errors: ERR_ABORTED (the run is saved), ERR_IO, ERR_FORMAT, ERR_NO_BACKEND, ERR_CUDA, which other trials would meet
 * too.
 */
export async function runTrial(
  folder: StudyFolder,
  trial: Trial,
  stage: number,
  { threads, device, signal }: Share & { signal?: AbortSignal | undefined },
): Promise<TrialResult> {
  const started = performance.now();
  const run = folder.runName(trial.trial);
  const without = { validationAccuracy: null, testAccuracy: null, spikesPerNeuron: null, energyRatio: null };
  try {
    const path = folder.runPath(trial.trial);
    const config = trialConfig(folder.study, trial, stage);
    const placed = { threads, ...(device === null ? {} : { device }) };
    const events = (await exists(new RunFolder(path).infoPath))
      ? continued(await loadRun(path), config, { ...placed, signal })
      : train({ ...config, ...placed, out: path }, { signal });
    const done = await lastOf(events);
    return { ...trial, stage, status: 'done', ...scores(await loadRun(path), done), seconds: done.seconds, run };
  } catch (error) {
    const diverged = isDivergence(error);
    if (!isOneSpikeError(error) || !(diverged || ownFaults.includes(error.code))) throw error;
    const seconds = (performance.now() - started) / 1000;
    const status = diverged ? 'diverged' : 'failed';
    return { ...trial, stage, status, ...without, seconds, run, error: error.message };
  }
}

/** Continues a run, with more epochs if a stage of successive halving has ended with fewer. */
function continued(
  { path, info }: Run,
  config: TrainConfig,
  options: { threads: number; device?: number; signal?: AbortSignal | undefined },
): AsyncGenerator<TrainEvent> {
  const phase = lastPhase(config);
  const { epochs } = config[phase];
  const changes = info.config[phase].epochs === epochs ? {} : { [phase]: { epochs } };
  // Who holds the trial may take the run of a process on another host that is gone.
  return resume(path, { ...options, changes, force: true });
}

async function lastOf(events: AsyncIterable<TrainEvent>): Promise<DoneEvent> {
  let last: TrainEvent | undefined;
  for await (const event of events) last = event;
  return last as DoneEvent;
}

function scores(
  { metrics, config }: Run,
  { ann, binary, snn, energy }: DoneEvent,
): Pick<TrialResult, 'validationAccuracy' | 'testAccuracy' | 'spikesPerNeuron' | 'energyRatio'> {
  const phase = lastPhase(config);
  // Of the network that was tested: not the highest of all where another one exceeds its target of spikes or has fewer
  // time steps.
  const tested = metrics.findLast((metric) =>
    metric.event === 'epoch' ? metric.phase === phase && metric.best : phase === 'snn',
  );
  return {
    validationAccuracy: tested?.validationAccuracy ?? null,
    testAccuracy: snn.testAccuracy ?? binary.testAccuracy ?? ann.testAccuracy,
    spikesPerNeuron: snn.spikesPerNeuron,
    energyRatio: energy.ratio,
  };
}
