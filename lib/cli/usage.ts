// Mistakes in a command line, told apart from failures of the work: they exit with 2.
import { Option } from 'commander';
import { checkOneOf } from '../check';
import { LIMITS, numberText, within, type LimitName } from '../native/limits';
import { SERVE_LIMITS } from '../serve/limits';

export class UsageError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/** A value that an option does not take. Whoever knows the option names it. */
export class ValueError extends UsageError {
  constructor(
    readonly wanted: string,
    readonly given: string,
    option?: string,
  ) {
    super(`Expected ${wanted}${option === undefined ? '' : ` for ${option}`} but received '${given}'`);
  }
}

/** Makes the option name itself where it refuses a value. */
export function nameOption(option: Option): void {
  const { parseArg } = option;
  if (parseArg === undefined) return;
  option.argParser(<T>(text: string, before: T): T => {
    try {
      return parseArg(text, before);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new ValueError(error.wanted, error.given, option.long ?? option.flags);
    }
  });
}

/** Runs what checks arguments; whatever it throws is a usage error. */
export function asUsage<T>(check: () => T, hint?: string): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError((error as Error).message, hint);
  }
}

/** For commander: an integer of at least `least`, and at most `most`. */
export function integerOption(least: number, most = Infinity): (text: string) => number {
  const wanted = most === Infinity ? `an integer of at least ${least}` : `an integer from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least || value > most)
      throw new ValueError(wanted, text);
    return value;
  };
}

/** For commander: an integer within a range. */
export const rangeOption = ({ min, max }: { min: number; max: number }): ((text: string) => number) =>
  integerOption(min, max);

/** For commander: an integer within the limit of native code. */
export const limitedOption = (name: LimitName): ((text: string) => number) => rangeOption(LIMITS[name]);

/** For commander: a number within the limit of native code. */
export function limitedNumberOption(name: LimitName): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !within(name, value)) throw new ValueError(numberText(name), text);
    return value;
  };
}

/** For commands that listen. */
export const portOption = rangeOption(SERVE_LIMITS.port);
/** For commands that run many trainings. */
export const parallelOption = (what: string): Option =>
  new Option('--max-parallel <n>', `${what} at a time (default: one for each GPU, or for each thread)`).argParser(
    integerOption(1, 4096),
  );

/** For commands that run networks: on what, on which GPU, and in which precision. */
export const backendOption = (): Option => new Option('--backend <name>', 'auto, cpu or cuda (default: auto)');
export const deviceOption = (): Option =>
  new Option('--device <n>', 'number of the GPU (default: the first that works)').argParser(limitedOption('device'));
/** An option that may be repeated: a list of texts, empty by default, which `none` names. */
export const repeatedOption = (flags: string, description: string, none: string): Option =>
  new Option(flags, description).argParser((value: string, all: string[]) => [...all, value]).default([], none);
export const setOption = (description: string): Option => repeatedOption('--set <key=value>', description, 'nothing');
/** For commands that load the images of a run again. */
export const movedOption = (): Option =>
  new Option('--data <dir>', 'where the files of the data set are now (default: where the run found them)');
export const themeOption = (): Option =>
  new Option('--theme <name>', 'light or dark: colours of pictures as files').default('light');
/** Errors: a usage error. */
export const checkTheme = (name: string): 'light' | 'dark' =>
  asUsage(() => checkOneOf(name, '--theme', ['light', 'dark'] as const));
export const precisionOption = (): Option =>
  new Option(
    '--precision <name>',
    'fp32, or mixed: bf16 operands in dense products (default: mixed on a GPU, else fp32)',
  );

/** For commander: a number within (low, high]. */
export function numberOption(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value > low && value <= high))
      throw new ValueError(`a number above ${low}, at most ${high},`, text);
    return value;
  };
}

/** For commander: the values of an option that may be repeated. */
export function collect(value: string, all: string[]): string[] {
  return [...all, value];
}
