// A study: a configuration, the keys of it that vary, and how their values are chosen.
import { basename } from 'node:path';
import { expected, isPlainObject } from '../check';
import { deferred, flag, integerOf, listOf, numberOf, objectOf, oneOf, parse, text } from '../check/schema';
import { OneSpikeError } from '../errors';
import { z } from 'zod';

/** The methods by which a study chooses values. */
export const METHODS = ['grid', 'random', 'halving', 'arms'] as const;
/** A method by which a study chooses values. */
export type Method = (typeof METHODS)[number];

/** A range that random values are drawn from. */
export interface Range {
  /** The smallest value. */
  min: number;
  /** The largest value. */
  max: number;
  /** Whether values are uniform, or their logarithms are; linear by default. */
  scale?: 'linear' | 'log' | undefined;
  /** Whether values are rounded to integers; false by default. */
  integer?: boolean | undefined;
}

/** The stages of successive halving: every candidate gets few epochs, the best of them more. */
export interface Halving {
  /** The epochs of the first stage; the key is that of the last phase of the configuration. */
  epochs: number;
  /** The factor by which epochs grow and candidates shrink from stage to stage; 2 by default. */
  factor: number;
  /** The number of stages. */
  stages: number;
}

/** What a study file holds. */
export interface Study {
  /** The name of the study, by default that of its file. */
  name: string;
  /** Any part of a configuration, which all trials have in common. */
  config: Record<string, unknown>;
  /** How values are chosen. */
  method: Method;
  /** Key of the configuration (`path.to.key`) to the values that it takes, or to the range that they are drawn from. */
  parameters: Record<string, unknown[] | Range>;
  /** Of `arms`: the name of each candidate to the part of a configuration that it changes. */
  arms?: Record<string, Record<string, unknown>> | undefined;
  /** The seeds that every candidate is trained with. */
  seeds: number[];
  /** The number of candidates of `random` and `halving`. */
  trials?: number | undefined;
  /** The seed of the draws. */
  drawSeed: number;
  /** The stages of `halving`. */
  halving?: Halving | undefined;
}

/** The schema of a range. */
export const range = objectOf(
  {
    min: numberOf('a number'),
    max: numberOf('a number'),
    scale: oneOf(['linear', 'log']).optional(),
    integer: flag.optional(),
  },
  'a list of values, or a range',
);
const count = integerOf(1, 10_000);

const part = deferred(() =>
  z.custom<Record<string, unknown>>(isPlainObject, { error: 'a part of a configuration (an object)' }),
);

/** The schema of a study file. */
export const schema = objectOf(
  {
    $schema: text.optional(),
    name: text.regex(/^[\w.-]+$/, { error: 'a name of letters, digits, dots, dashes and underscores' }).optional(),
    config: part.default({}),
    method: oneOf(METHODS).default('grid'),
    parameters: deferred(() =>
      z.record(
        z.string(),
        z.custom<unknown[] | Record<string, unknown>>((value) => Array.isArray(value) || isPlainObject(value), {
          error: 'a list of values, or a range',
        }),
        { error: 'an object of keys and their values' },
      ),
    ),
    arms: deferred(() =>
      z.record(z.string(), part, { error: 'an object of names and parts of a configuration' }),
    ).optional(),
    seeds: listOf(integerOf(0, Number.MAX_SAFE_INTEGER), 'a list of seeds')
      .min(1, { error: 'a non-empty list of seeds' })
      .default([1]),
    trials: count.optional(),
    drawSeed: integerOf(0, Number.MAX_SAFE_INTEGER).default(1),
    halving: objectOf({ epochs: count, factor: integerOf(2, 100).default(2), stages: integerOf(1, 20) }).optional(),
  },
  'an object',
);

/** Keys that a sweep decides for every trial, with what to do instead. */
const decided: Record<string, string> = {
  out: '--out names the folder of the whole study',
  seed: '"seeds" lists them',
  threads: '--threads is divided among the trials',
  device: 'GPUs are divided among the trials',
  minutes: 'what it chooses depends on what else runs; give epochs',
};

/**
 * Checks what a study file holds; `file` names the study if it does not do so itself.
 * Errors: ERR_ARG, naming the key.
 */
export function parseStudy(input: unknown, file = 'study'): Study {
  // Candidates with names have no keys of their own.
  const named = isPlainObject(input) && input.method === 'arms' ? { parameters: {}, ...input } : input;
  const { $schema: _, name, parameters, ...rest } = parse(schema, named, 'the study');
  const fallback =
    basename(file)
      .replace(/\.[^.]*$/, '')
      .replace(/[^\w.-]+/g, '-') || 'study';
  // In one order of keys, named by itself or not: as text, study.json is compared with what is asked for.
  const study = { name: name ?? fallback, parameters: parameters as Study['parameters'], ...rest };
  const keys = Object.keys(study.parameters);
  const ofArms = Object.values(study.arms ?? {}).flatMap((arm) => Object.keys(arm));
  for (const key of [...keys, ...Object.keys(study.config), ...ofArms]) {
    const why = decided[key];
    if (why !== undefined)
      throw new OneSpikeError('ERR_ARG', `Expected no '${key}' in a study but received one: ${why}`);
  }
  for (const key of keys) {
    checkValues(key, study.parameters[key]!, study.method);
    const above = keys.find((other) => key.startsWith(`${other}.`));
    if (above !== undefined)
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected no '${key}' beside '${above}', which contains it, but received both`,
      );
  }
  checkMethod(study);
  return study;
}

function checkValues(key: string, values: unknown[] | Range, method: Method): void {
  const where = `parameters["${key}"]`;
  if (Array.isArray(values)) {
    if (values.length === 0) throw expected('at least one value', where, values);
    if (new Set(values.map((value) => JSON.stringify(value))).size < values.length)
      throw new OneSpikeError('ERR_ARG', `Expected different values for ${where} but received one of them twice`);
    return;
  }
  if (method === 'grid') throw expected('a list of values (ranges are for random and halving)', where, values);
  const { min, max, scale } = parse(range, values, where);
  if (max <= min) throw expected(`a number above min (${min})`, `${where}.max`, max);
  if (scale === 'log' && min <= 0) throw expected('a number above 0 (the scale is logarithmic)', `${where}.min`, min);
}

/** Errors: ERR_ARG for candidates with names beside another method, or without any. */
function checkArms({ method, arms, parameters }: Study): void {
  if (method !== 'arms') {
    if (arms !== undefined) throw expected(`no arms for ${method} (they are a method of their own)`, 'arms', arms);
    return;
  }
  if (arms === undefined || Object.keys(arms).length === 0)
    throw expected('at least one name and its part of a configuration', 'arms', arms);
  const keys = Object.keys(parameters);
  if (keys.length > 0) throw expected('no keys beside arms, which say what varies,', 'parameters', keys[0]);
}

function checkMethod(study: Study): void {
  checkArms(study);
  const { method, trials, halving, parameters } = study;
  const drawn = method === 'random' || method === 'halving';
  if (!drawn && trials !== undefined)
    throw expected(`no number of trials for ${method}, which has as many as are named,`, 'trials', trials);
  if (drawn && trials === undefined) throw expected(`the number of candidates of ${method}`, 'trials', trials);
  if (drawn && Object.keys(parameters).length === 0)
    throw new OneSpikeError('ERR_ARG', `Expected at least one key for parameters of ${method} but received none`);
  if (method === 'halving' && halving === undefined)
    throw expected('its stages ({ epochs, factor, stages })', 'halving', halving);
  if (method !== 'halving' && halving !== undefined) throw expected(`no stages for ${method}`, 'halving', halving);
}

/** What varies from candidate to candidate: keys of the configuration, or `arm`. */
export function variedKeys({ method, parameters }: Study): string[] {
  return method === 'arms' ? ['arm'] : Object.keys(parameters);
}
