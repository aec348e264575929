/** The configuration of a training run: what it may hold, and how preset, file and overrides become one. */
import { z } from 'zod';
import { BACKEND_CHOICES, MAX_DEVICE } from '../../native/devices';
import { checkOneOf, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { datasetNames } from '../../data';
import { PRECISIONS } from '../../model/network';
import { applyOverride, isPlainObject, mergeConfig, type PlainObject } from './merge';
import { defaultDataset, defaultPreset, presetConfig, presetNames } from './presets';
import { suggestion } from './suggest';

// Each leaf describes itself; the description is the `Expected ...` of its error message.
const positive = z.number().positive().describe('a number above 0');
const nonNegative = z.number().nonnegative().describe('a number of at least 0');
const share = z.number().min(0).max(1).describe('a number from 0 to 1');
const below1 = z.number().min(0).lt(1).describe('a number from 0 to below 1');
const count = z.int().nonnegative().describe('an integer of at least 0');
const positiveCount = z.int().positive().describe('an integer above 0');
const flag = z.boolean().describe('true or false');
const text = z.string().min(1).describe('a non-empty string');
const finite = z.number().describe('a finite number');
const choice = <const T extends readonly string[]>(values: T) => z.enum(values).describe(`one of ${values.join(', ')}`);

const optimizer = z.strictObject({
  kind: choice(['sgd', 'adam', 'adamw']),
  learningRate: positive,
  neuronLearningRate: nonNegative.optional(),
  momentum: below1,
  weightDecay: nonNegative,
  beta1: below1,
  beta2: below1,
  epsilon: positive,
  amsgrad: flag,
  clipNorm: nonNegative,
});

const schedule = z.strictObject({
  kind: choice(['constant', 'step', 'cosine']),
  warmup: nonNegative,
  milestones: z.array(share).describe('a list of numbers from 0 to 1'),
  factor: positive,
  final: share,
});

const phase = z.strictObject({
  epochs: count,
  batch: positiveCount,
  optimizer,
  schedule,
  augment: z.strictObject({ padding: count, flip: flag }),
});

const layer = z.record(z.string(), z.unknown()).describe('a layer object');

const model = z.strictObject({
  name: text.optional(),
  layers: z.array(layer).min(1).describe('a non-empty list of layers').optional(),
  input: z.array(positiveCount).length(3).describe('[channels, height, width]').optional(),
  width: positive.optional(),
  hidden: z.array(positiveCount).describe('a list of integers above 0').optional(),
  bias: flag.optional(),
  dropout: below1.optional(),
  leak: share.optional(),
  threshold: positive.optional(),
  timesteps: z.int().min(1).max(254).describe('an integer from 1 to 254'),
  mean: z.array(finite).describe('a list of numbers').optional(),
  std: z.array(positive).describe('a list of numbers above 0').optional(),
  alpha: finite,
  beta: finite,
  gamma: positive,
  kappa: positive,
  surrogate: choice(['triangle', 'exponential', 'rectangular', 'arctan', 'fast-sigmoid']),
  encoder: choice(['hybrid', 'direct', 'rate', 'ttfs']),
  lo: finite,
  hi: finite,
});

const schema = z.strictObject({
  preset: choice(presetNames).optional(),
  model,
  dataset: z.strictObject({
    name: choice(datasetNames),
    directory: text.optional(),
    validation: below1,
    trainCount: positiveCount.optional(),
    testCount: positiveCount.optional(),
    size: positiveCount.optional(),
    testShare: below1.optional(),
    skipUnreadable: flag.optional(),
    seed: count.optional(),
  }),
  seed: z.int().nonnegative().max(Number.MAX_SAFE_INTEGER).describe('an integer from 0 to 2^53-1'),
  backend: choice(BACKEND_CHOICES),
  device: z.int().min(0).max(MAX_DEVICE).describe(`the number of a GPU, from 0 to ${MAX_DEVICE}`).optional(),
  threads: z.int().min(0).max(1024).describe('an integer from 0 (all cores) to 1024'),
  precision: choice(PRECISIONS).optional(),
  out: text.optional(),
  init: text.optional(),
  ann: phase,
  convert: z.strictObject({
    enabled: flag,
    percentile: z.number().gt(0).max(100).describe('a number above 0, at most 100'),
    scale: positive,
    images: positiveCount,
  }),
  snn: phase,
  evaluation: z.strictObject({ batch: positiveCount }),
  energy: z.strictObject({ images: count }),
  checkpoint: z.strictObject({ seconds: positive }),
});

/** A complete configuration: every choice made. */
export type TrainConfig = z.infer<typeof schema>;
type Partially<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: Partially<T[K]> | undefined }
    : T;
/** What `train` takes: a preset's name, or any part of a configuration; the preset it names (default vgg6) fills the rest. */
export type TrainConfigInput = string | Partially<TrainConfig>;

/** Schema without the wrapper that makes it optional. */
function unwrap(node: unknown): unknown {
  return node instanceof z.ZodOptional ? unwrap(node.unwrap()) : node;
}

/** The schema at `path`, or undefined where there is none. */
function schemaAt(path: readonly PropertyKey[]): unknown {
  let node: unknown = schema;
  for (const part of path) {
    node = unwrap(node);
    if (node instanceof z.ZodObject) node = node.shape[String(part)];
    else if (node instanceof z.ZodArray) node = node.element;
    else return undefined;
  }
  return unwrap(node);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? (value as PlainObject)[part as string] : undefined),
    root,
  );
}

/** `model.layers[3].out` */
function pathName(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

function explain(issue: z.core.$ZodIssue, input: unknown): OneSpikeError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0];
    const here = schemaAt(issue.path);
    const known = here instanceof z.ZodObject ? Object.keys(here.shape) : [];
    return new OneSpikeError(
      'ERR_ARG',
      `Expected a known configuration key but received '${pathName([...issue.path, key])}'.${suggestion(key, known)}`,
    );
  }
  const node = schemaAt(issue.path);
  const wanted =
    (node as z.ZodType | undefined)?.description ?? (node instanceof z.ZodObject ? 'an object' : issue.message);
  return expected(wanted, pathName(issue.path) || 'the configuration', valueAt(input, issue.path));
}

/** Checks a complete configuration. Errors: ERR_ARG, naming the key. */
export function parseConfig(input: unknown): TrainConfig {
  const result = schema.safeParse(input);
  if (!result.success) throw explain(result.error.issues[0], input);
  const config = result.data;
  if (config.ann.epochs === 0 && config.snn.epochs === 0 && !config.convert.enabled) {
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected at least one stage (ann.epochs, convert.enabled, snn.epochs) but received none',
    );
  }
  if (config.model.layers === undefined) checkOneOf(config.model.name, 'model.name', presetNames);
  return config;
}

function plainCopy(input: unknown): PlainObject {
  if (!isPlainObject(input)) throw expected("an object or a preset's name", 'the configuration', input);
  try {
    return structuredClone(input);
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected plain JSON for the configuration but received ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Preset, then the given parts, then `overrides` (each `path.to.key=value`). A given list of layers takes the place of the
 * preset's network. Errors: ERR_ARG, naming the key and suggesting a spelling.
 */
export function resolveConfig(input: TrainConfigInput = {}, overrides: readonly string[] = []): TrainConfig {
  const given = typeof input === 'string' ? { preset: input } : plainCopy(input);
  if (!Array.isArray(overrides)) throw expected('a list of path.to.key=value', 'the overrides', overrides);
  // What the overrides say about preset and data set decides what lies under them.
  const asked = overrides.reduce(applyOverride, given);
  const name = valueAt(asked, ['model', 'name']);
  const network = (presetNames as readonly unknown[]).includes(name) ? name : defaultPreset;
  let under = presetConfig(
    String(asked.preset ?? network),
    String(valueAt(asked, ['dataset', 'name']) ?? defaultDataset),
  );
  if (valueAt(asked, ['model', 'layers']) !== undefined) {
    const {
      name: _name,
      width: _width,
      hidden: _hidden,
      bias: _bias,
      dropout: _dropout,
      ...rest
    } = under.model as PlainObject;
    under = { ...under, model: rest };
  }
  return parseConfig(overrides.reduce(applyOverride, mergeConfig(under, given)));
}
