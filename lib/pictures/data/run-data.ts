/** All that pictures of a run are drawn from. */
import { expected, isPlainObject } from '../../check';
import { OneSpikeError } from '../../errors';
import { exists } from '../../io/status';
import { loadRun, type Run } from '../../train/run/load-run';
import { PHASES, type DoneEvent } from '../../train/run/events';
import { RunFolder } from '../../train/run/run-folder';
import { readTestRecord, type TestRecord } from '../../train/run/test-record';
import { timelineOf, type Timeline } from './series';

export interface RunData {
  run: Run;
  timeline: Timeline;
  results: DoneEvent | undefined;
  /** What the network did with the test images, where that is known. */
  test: TestRecord | null;
  /** Why `test` is null. */
  missing: string | null;
}

/**
 * Reads a run. `measure` is asked for the record of the test images where the folder holds none, as that of an unfinished
 * run; an error of it is a reason for the record to be missing.
 * Errors: ERR_IO, ERR_FORMAT for a folder that is no run or damaged; ERR_ABORTED.
 */
export async function readRunData(path: string, measure?: (run: Run) => Promise<TestRecord>): Promise<RunData> {
  const run = await loadRun(path);
  checkMetrics(run);
  const data = { run, timeline: timelineOf(run.metrics), results: run.results };
  const { testPath } = new RunFolder(run.path);
  // A run that goes on after its end has the record of an older network.
  if (run.results !== undefined && (await exists(testPath)))
    return { ...data, test: matching(await readTestRecord(testPath), run, testPath), missing: null };
  if (measure === undefined) return { ...data, test: null, missing: 'the run has not ended yet' };
  try {
    return { ...data, test: await measure(run), missing: null };
  } catch (error) {
    if (!(error instanceof OneSpikeError) || error.code === 'ERR_ABORTED') throw error;
    return { ...data, test: null, missing: error.message };
  }
}

/** The record, if it is one of this run. Errors: ERR_FORMAT. */
function matching(test: TestRecord, { classes, info }: Run, path: string): TestRecord {
  const { timesteps, input, layers } = info.network;
  const steps = test.times.every(({ layer, counts }) => counts.length === timesteps + 1 && layer < layers.length);
  const same = String(test.classes) === String(classes) && String(test.input) === String(input) && steps;
  if (same) return test;
  throw expected('the record of the test images of this run', path, 'one of another network', 'ERR_FORMAT');
}

/** What is drawn of an epoch. */
const numbers = [
  'epoch',
  'epochs',
  'trainLoss',
  'trainAccuracy',
  'learningRate',
  'spikesPerNeuron',
  'seconds',
] as const;

/** Errors: ERR_FORMAT for an event whose numbers cannot be drawn. */
function checkMetrics({ path, metrics }: Run): void {
  metrics.forEach((event: unknown, i) => {
    const where = `line ${i + 1} of metrics.jsonl in ${path}`;
    if (!isPlainObject(event)) throw expected('an event', where, event, 'ERR_FORMAT');
    if (event['event'] === 'converted' && isPlainObject(event['thresholds'])) return;
    if (event['event'] !== 'epoch' || !(PHASES as readonly unknown[]).includes(event['phase']))
      throw expected('an epoch or a conversion', where, event['phase'] ?? event['event'], 'ERR_FORMAT');
    const wrong = numbers.find((key) => typeof event[key] !== 'number');
    if (wrong !== undefined) throw expected('a number', `${wrong} in ${where}`, event[wrong], 'ERR_FORMAT');
    if (!Array.isArray(event['layers'])) throw expected('a list', `layers in ${where}`, event['layers'], 'ERR_FORMAT');
  });
}
