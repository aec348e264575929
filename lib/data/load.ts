// Loading a data set by its name.
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
import { isOneSpikeError, OneSpikeError } from '../errors';
import { directoryOf } from './directory';
import { statOrNull, throwIfAborted } from './files';
import { heldPart, heldParts, type Keep } from './held';
import { datasetNames, sourceNames, sources, type SourceName } from './sets';
import { channelStatistics } from './statistics';
import { MIXED_SIZES, SCALED_SIDE, type LoadedDataset, type LoadOptions } from './types';

const optionNames = [
  'directory',
  'seed',
  'trainCount',
  'testCount',
  'size',
  'testShare',
  'skipUnreadable',
  'mixedSizes',
  'split',
  'exclude',
  'signal',
] as const satisfies readonly (keyof LoadOptions)[];

function checkLoadOptions(name: SourceName, options: unknown): LoadOptions {
  const given = checkOptions(options, 'the data set options', optionNames) as LoadOptions;
  if (given.directory !== undefined) checkString(given.directory, 'directory');
  if (given.seed !== undefined) checkInteger(given.seed, 'seed', { min: 0 });
  if (given.trainCount !== undefined) checkInteger(given.trainCount, 'trainCount', { min: 1 });
  if (given.testCount !== undefined) checkInteger(given.testCount, 'testCount', { min: 1 });
  if (given.size !== undefined) checkInteger(given.size, 'size', SCALED_SIDE);
  if (given.testShare !== undefined) checkNumber(given.testShare, 'testShare', { min: 0, max: 1, exclusive: true });
  if (given.skipUnreadable !== undefined) checkBoolean(given.skipUnreadable, 'skipUnreadable');
  if (given.mixedSizes !== undefined) checkOneOf(given.mixedSizes, 'mixedSizes', MIXED_SIZES);
  if (given.split !== undefined) checkString(given.split, 'split');
  if (given.exclude !== undefined) {
    if (!Array.isArray(given.exclude)) throw expected('a list of paths', 'exclude', given.exclude);
    given.exclude.forEach((path: unknown, i) => checkString(path, `exclude[${i}]`));
  }
  checkSignal(given.signal, 'signal');
  checkTakenOptions(name, given);
  return given;
}

/** Options that some data sets do not take. */
const optionsOfSome = [
  'directory',
  'seed',
  'size',
  'testShare',
  'skipUnreadable',
  'mixedSizes',
  'split',
] as const satisfies readonly (keyof LoadOptions)[];

/**
 * Errors: ERR_ARG for a split that the set does not have, and for an option that has no meaning for the set, as if
 * another set had been meant.
 */
export function checkTakenOptions(name: SourceName, options: LoadOptions, prefix = ''): void {
  const taken: readonly string[] = sources[name].options;
  const refused = optionsOfSome.find((key) => options[key] !== undefined && !taken.includes(key));
  if (refused === undefined) {
    if (options.split !== undefined) checkOneOf(options.split, `${prefix}split`, sources[name].splits ?? []);
    return;
  }
  const hint = refused === 'directory' ? '; name the data set that the files are, such as folder' : '';
  throw new OneSpikeError(
    'ERR_ARG',
    `Expected no ${prefix}${refused} for the data set ${name}, whose options are ${taken.join(', ')}, but received ${String(options[refused])}${hint}`,
  );
}

/** Errors: ERR_ARG for files of a user that neither a directory nor `$ONESPIKE_DATA` names. */
export function checkDirectoryNamed(name: SourceName, directory: string | undefined): void {
  if (sources[name].kind !== 'own' || directory !== undefined || process.env.ONESPIKE_DATA) return;
  throw new OneSpikeError(
    'ERR_ARG',
    `Expected a folder of pictures for the data set ${name} (directory, --data DIR) but received none`,
  );
}

/**
 * Loads a data set into memory.
 *
 * Errors: ERR_ARG for unknown names or options, ERR_IO if files are missing or unreadable (the message says what to
 * do), ERR_FORMAT if a file is not what it should be (the message names file, offset and expectation), ERR_OOM,
 * ERR_ABORTED.
 */
export async function loadDataset(name: SourceName, options: LoadOptions = {}): Promise<LoadedDataset> {
  return loadHeld(name, options);
}

/** As `loadDataset`; with `keep` the sets are `HeldImages`, and as few others are in memory as the format allows. */
export async function loadHeld(name: SourceName, options: LoadOptions, keep?: Keep): Promise<LoadedDataset> {
  checkOneOf(name, 'the data set name', sourceNames);
  const checked = checkLoadOptions(name, options);
  throwIfAborted(checked.signal, `loading ${name}`);
  checkDirectoryNamed(name, checked.directory);
  const directory = await directoryOf(name, checked.directory);
  try {
    const loaded = await sources[name].load(directory, checked, keep);
    const parts = keep === undefined ? loaded : heldParts(loaded, keep);
    const statistics = heldPart(parts.train)?.statistics ?? channelStatistics(parts.train);
    return { name, ...parts, warnings: parts.warnings ?? [], ...statistics };
  } catch (error) {
    if (error instanceof Error && error.name === 'RangeError' && /allocation/i.test(error.message)) {
      throw new OneSpikeError(
        'ERR_OOM',
        `Expected memory for the images of ${name} but received none: ${error.message}`,
        { cause: error },
      );
    }
    if (isOneSpikeError(error) && (error.code === 'ERR_IO' || error.code === 'ERR_FORMAT'))
      throw (await anotherSet(name, directory, error)) ?? error;
    throw error;
  }
}

/** The error of a directory that holds another set than was asked for, or null if it holds none. */
async function anotherSet(name: SourceName, directory: string, error: OneSpikeError): Promise<OneSpikeError | null> {
  const isFolder = (await statOrNull(directory).catch(() => null))?.isDirectory() ?? false;
  for (const other of isFolder ? datasetNames : []) {
    if (other === name || sources[other].kind !== 'public') continue;
    const { present } = await sources[other].locate(directory).catch(() => ({ present: false }));
    if (present)
      return new OneSpikeError(
        error.code,
        `${error.message}. It holds the data set ${other}: name that (--dataset ${other})`,
        {
          cause: error,
        },
      );
  }
  return null;
}
