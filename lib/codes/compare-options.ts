// What `compare` takes besides its subject.
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkString,
  expected,
} from '../check';
import { BACKEND_CHOICES, type BackendChoice } from '../native/devices';
import { LIMITS } from '../native/limits';
import type { CompareProgress } from './rows';
import { checkCodeTimesteps, type CodeTimesteps } from './settings';

/** Options of `compare`. */
export interface CompareOptions {
  /** The folder of the results; that of the run by default, or of a configuration `out`, or else `comparisons/NAME`. */
  out?: string | undefined;
  /** The number of test images; all by default, 100 with `quick`. */
  images?: number | undefined;
  /** The folder of a run whose ANN is simulated in all codes, in place of that of the run compared. */
  ann?: string | undefined;
  /** The folders of runs whose networks have a code, each another one: they are measured too. */
  coded?: readonly string[] | undefined;
  /** The numbers of time steps of simulated codes, in place of the usual ones. */
  timesteps?: CodeTimesteps | undefined;
  /** Whether few images and few steps will do, and one epoch of every phase of a configuration; false by default. */
  quick?: boolean | undefined;
  /** The folder of the data set of a run, if its files have moved. */
  directory?: string | undefined;
  /** The backend of trained networks; simulations run on the CPU. By default as the run's, or the configuration's. */
  backend?: BackendChoice | undefined;
  /** The number of the GPU. */
  device?: number | undefined;
  /** The number of CPU threads. */
  threads?: number | undefined;
  /** The signal that stops the comparison: what is done is kept, then ERR_ABORTED is thrown. */
  signal?: AbortSignal | undefined;
  /** The seconds between two progress events of a training; 5 by default. */
  progressSeconds?: number | undefined;
  /** A function that is called a few times per second while a code is measured. */
  onProgress?: ((progress: CompareProgress) => void) | undefined;
}

const OPTIONS = [
  'out',
  'images',
  'ann',
  'coded',
  'timesteps',
  'quick',
  'directory',
  'backend',
  'device',
  'threads',
  'signal',
  'progressSeconds',
  'onProgress',
] as const satisfies readonly (keyof CompareOptions)[];
const QUICK_IMAGES = 100;

/** Options of a comparison that have been checked. */
export type CheckedComparison = ReturnType<typeof checkCompareOptions>;

/** Errors: ERR_ARG, naming the option. */
export function checkCompareOptions(options: unknown) {
  const given = checkOptions(options, 'options', OPTIONS);
  const { out, images, directory, backend, device, threads, progressSeconds, onProgress } = given;
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw expected('a function', 'onProgress', onProgress);
  const quick = checkBoolean(given.quick ?? false, 'quick');
  return {
    out: out === undefined ? undefined : checkString(out, 'out'),
    images: images === undefined ? (quick ? QUICK_IMAGES : undefined) : checkInteger(images, 'images', LIMITS.images),
    ann: given.ann === undefined ? undefined : checkString(given.ann, 'ann'),
    coded: checkRuns(given.coded ?? []),
    timesteps: checkCodeTimesteps(given.timesteps, 'timesteps'),
    quick,
    directory: directory === undefined ? undefined : checkString(directory, 'directory'),
    backend: backend === undefined ? undefined : checkOneOf(backend, 'backend', BACKEND_CHOICES),
    device: device === undefined ? undefined : checkInteger(device, 'device', LIMITS.device),
    threads: threads === undefined ? undefined : checkInteger(threads, 'threads', { min: 0, max: LIMITS.threads.max }),
    signal: checkSignal(given.signal, 'signal'),
    progressSeconds:
      progressSeconds === undefined ? undefined : checkNumber(progressSeconds, 'progressSeconds', { min: 0 }),
    onProgress: onProgress as CompareOptions['onProgress'],
  };
}

function checkRuns(coded: unknown): string[] {
  if (!Array.isArray(coded)) throw expected('an array of folders of runs', 'coded', coded);
  return coded.map((run, i) => checkString(run, `coded[${i}]`));
}
