// The command line of bench:compare, checked. A mistake is a UsageError.
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../scripts/lib.mjs';
import { caseNames } from './cases.mjs';

export class UsageError extends Error {}

export const help = `Times onespike, PyTorch and onnxruntime on the same networks, in turns, and prints one table.

  npm run bench:compare -- --python VENV/bin/python --reference PATH/single_spike.py [options]

  --python FILE        Python with PyTorch
  --reference FILE     the dense implementation in PyTorch that the spiking networks are compared with
  --without LIST       leave out pytorch, onnxruntime or both (separated by commas)
  --models LIST        default vgg9,vgg16
  --cases LIST         of ${caseNames.join(', ')}; default: all (run: with --run)
  --quick              vgg9, infer and train alone, one round of two steps
  --run RUN            also train a trained network on its own images, against PyTorch's bench of the same shape
  --opponent COMMAND   any other program for infer and train; {model} {mode} {batch} {timesteps} {activity} {threads} are filled in,
                       and its last line is JSON with imagesPerSecond (and peakRss)
  --batch 64  --timesteps 5  --activity 0.12  --threads 2
  --rounds 3  --iterations 3  --warmup 1     rounds of all programs in turn; timed and untimed steps of each
  --compile            PyTorch's spiking network through torch.compile
  --prefix COMMAND     put before every timed command, such as "taskset -c 0,1"
  --targets            add what is wanted of each ratio, and whether it was reached
  --json               JSON Lines instead of the table
  --out FILE           write the table (markdown) to a file as well

Exit status: 0 everything was measured, 1 a program failed, 2 wrong usage, 130 interrupted.`;

const text = /** @type {const} */ ({ type: 'string' });
const flag = /** @type {const} */ ({ type: 'boolean', default: false });
const schema = {
  python: text,
  reference: text,
  without: text,
  models: text,
  cases: text,
  quick: flag,
  run: text,
  opponent: text,
  batch: text,
  timesteps: text,
  activity: text,
  threads: text,
  rounds: text,
  iterations: text,
  warmup: text,
  compile: flag,
  prefix: text,
  targets: flag,
  json: flag,
  out: text,
  help: flag,
};
const vggs = ['vgg6', 'vgg9', 'vgg11', 'vgg16'];
const outsiders = ['pytorch', 'onnxruntime'];

/**
 * @typedef {ReturnType<typeof parseFlags>} Options
 *
 * @param {string[]} args
 */
function valuesOf(args) {
  try {
    return parseArgs({ args, options: schema }).values;
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/**
 * The options of `args`, complete. Errors: UsageError.
 *
 * @param {string[]} args
 */
export function parseFlags(args) {
  const values = valuesOf(args);
  const { quick } = values;
  const options = {
    ...values,
    models: list(values.models, quick ? ['vgg9'] : ['vgg9', 'vgg16'], '--models', vggs),
    cases: list(
      values.cases,
      quick ? ['infer', 'train'] : caseNames.filter((name) => name !== 'run'),
      '--cases',
      caseNames,
    ),
    without: list(values.without, [], '--without', outsiders),
    batch: integer(values.batch, 64, '--batch'),
    timesteps: integer(values.timesteps, 5, '--timesteps'),
    activity: share(values.activity, 0.12, '--activity'),
    threads: integer(values.threads, 2, '--threads'),
    rounds: integer(values.rounds, quick ? 1 : 3, '--rounds'),
    iterations: integer(values.iterations, quick ? 2 : 3, '--iterations'),
    warmup: integer(values.warmup, 1, '--warmup', 0),
    prefix: words(values.prefix),
    opponent: words(values.opponent),
  };
  if (values.help) return options;
  if (options.run !== undefined && !options.cases.includes('run')) options.cases.push('run');
  if (options.run === undefined && options.cases.includes('run'))
    throw new UsageError('Expected --run RUN for the case run but received none');
  if (options.run !== undefined && !existsSync(join(options.run, 'run.json')))
    throw new UsageError(`Expected the folder of a run for --run but ${options.run} holds no run.json`);
  if (!options.without.includes('pytorch')) checkPyTorch(options);
  return options;
}

/** @param {{ python?: string | undefined, reference?: string | undefined }} options */
function checkPyTorch({ python, reference }) {
  const how = 'or leave PyTorch out with --without pytorch';
  if (python === undefined)
    throw new UsageError(`Expected --python FILE, a Python that has PyTorch, but received none; give it, ${how}`);
  if (reference === undefined)
    throw new UsageError(
      `Expected --reference FILE, the single_spike.py to compare with, but received none; give it, ${how}`,
    );
  try {
    accessSync(python, constants.X_OK);
  } catch {
    throw new UsageError(`Expected a program for --python but there is none at ${python}; ${how}`);
  }
  if (!existsSync(reference))
    throw new UsageError(`Expected a file for --reference but there is none at ${reference}; ${how}`);
}

/** @param {string | undefined} given */
const words = (given) => (given ?? '').trim().split(/\s+/).filter(Boolean);

/**
 * @param {string | undefined} given
 * @param {string[]} otherwise
 * @param {string} name
 * @param {readonly string[]} choices
 */
function list(given, otherwise, name, choices) {
  if (given === undefined) return otherwise;
  const names = given.split(',').map((part) => part.trim());
  const wrong = names.find((part) => !choices.includes(part));
  if (wrong !== undefined)
    throw new UsageError(`Expected ${choices.join(', ')} (separated by commas) for ${name} but received '${wrong}'`);
  return [...new Set(names)];
}

/**
 * @param {string | undefined} given
 * @param {number} otherwise
 * @param {string} name
 * @param {number} [least]
 */
function integer(given, otherwise, name, least = 1) {
  const value = given === undefined ? otherwise : Number(given);
  if (!Number.isSafeInteger(value) || value < least || given?.trim() === '')
    throw new UsageError(`Expected an integer of at least ${least} for ${name} but received '${given}'`);
  return value;
}

/**
 * @param {string | undefined} given
 * @param {number} otherwise
 * @param {string} name
 */
function share(given, otherwise, name) {
  const value = given === undefined ? otherwise : Number(given);
  if (!(value > 0 && value <= 1) || given?.trim() === '')
    throw new UsageError(`Expected a number above 0, at most 1, for ${name} but received '${given}'`);
  return value;
}
