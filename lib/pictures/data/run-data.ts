// All that pictures of a run are drawn from.
import { expected, isPlainObject } from '../../check';
import { OneSpikeError } from '../../errors';
import { exists } from '../../io/status';
import { loadRun, type Run } from '../../train/run/load-run';
import { PHASES, type ConvertedEvent, type DoneEvent, type EpochEvent } from '../../train/run/events';
import { RunFolder } from '../../train/run/run-folder';
import { readTestRecord, type TestRecord } from '../../train/run/test-record';
import { timelineOf, type Timeline } from './series';

export interface RunData {
  run: Pick<Run, 'path' | 'info' | 'classes'>;
  timeline: Timeline;
  results: DoneEvent | undefined;
  /** What the network did with the test images, where that is known. */
  test: TestRecord | null;
  /** Why `test` is null. */
  missing: string | null;
}

/**
 * The accuracies of the networks of a run on the test images, from 0 to 1, as far as they are known yet; null or
 * undefined where there is none.
 */
export function testAccuracies({
  results,
  timeline: { converted },
}: Pick<RunData, 'results' | 'timeline'>): Record<'ann' | 'binary' | 'converted' | 'snn', number | null | undefined> {
  return {
    ann: results?.ann.testAccuracy ?? converted?.annTestAccuracy,
    binary: results?.binary.testAccuracy ?? converted?.binaryTestAccuracy,
    converted: results?.converted.testAccuracy ?? converted?.accuracy,
    snn: results?.snn.testAccuracy,
  };
}

/** Why an unfinished run has no record of the test images. */
export const unfinished = 'the run has not ended yet';

/**
 * Reads a run. `measure` is asked for the record of the test images where the folder holds none, as that of an
 * unfinished run; an error of it is a reason for the record to be missing. Errors: ERR_IO, ERR_FORMAT for a folder that
 * is no run or damaged; ERR_ABORTED.
 */
export async function readRunData(path: string, measure?: (run: Run) => Promise<TestRecord>): Promise<RunData> {
  const run = await loadRun(path);
  run.metrics.forEach((event, i) => checkMetric(event, run.path, i + 1));
  const data = { run, timeline: timelineOf(run.metrics), results: run.results };
  const { testPath } = new RunFolder(run.path);
  // A run that goes on after its end has the record of an older network.
  if (run.results !== undefined && (await exists(testPath)))
    return { ...data, test: await recordOf(run, testPath), missing: null };
  if (measure === undefined) return { ...data, test: null, missing: unfinished };
  try {
    return { ...data, test: await measure(run), missing: null };
  } catch (error) {
    if (!(error instanceof OneSpikeError) || error.code === 'ERR_ABORTED') throw error;
    return { ...data, test: null, missing: error.message };
  }
}

/** The record of the test images in the folder of a run, if it is one of this run. Errors: ERR_FORMAT, ERR_IO. */
export async function recordOf({ classes, info }: Pick<Run, 'info' | 'classes'>, path: string): Promise<TestRecord> {
  const test = await readTestRecord(path);
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

/** The event of a line of metrics.jsonl. Errors: ERR_FORMAT for one whose numbers cannot be drawn. */
export function checkMetric(event: unknown, path: string, line: number): EpochEvent | ConvertedEvent {
  const where = `line ${line} of metrics.jsonl in ${path}`;
  if (!isPlainObject(event)) throw expected('an event', where, event, 'ERR_FORMAT');
  if (event['event'] === 'converted' && isPlainObject(event['thresholds'])) return event as unknown as ConvertedEvent;
  if (event['event'] !== 'epoch' || !(PHASES as readonly unknown[]).includes(event['phase']))
    throw expected('an epoch or a conversion', where, event['phase'] ?? event['event'], 'ERR_FORMAT');
  const wrong = numbers.find((key) => typeof event[key] !== 'number');
  if (wrong !== undefined) throw expected('a number', `${wrong} in ${where}`, event[wrong], 'ERR_FORMAT');
  if (!Array.isArray(event['layers'])) throw expected('a list', `layers in ${where}`, event['layers'], 'ERR_FORMAT');
  return event as unknown as EpochEvent;
}
