// The configuration of a training run: what it may hold, and how preset, file and overrides become one.
import type { z } from 'zod';
import { checkOneOf, checkString, expected, isPlainObject } from '../../check';
import {
  aboveZero,
  below1,
  flag,
  integerOf,
  listOf,
  numberOf,
  objectOf,
  oneOf,
  parse,
  text,
  valueAt,
} from '../../check/schema';
import { checkTakenOptions, MIXED_SIZES, SCALED_SIDE, sourceNames } from '../../data';
import { OneSpikeError } from '../../errors';
import {
  checkIntensities,
  ENCODERS,
  inputShape,
  layerSchema,
  networkOptions,
  NORMS,
  SURROGATES,
  timestepCount,
} from '../../model/description';
import { limitedInteger, limitedNumber } from '../../native/limited';
import { PRECISIONS } from '../../model/network';
import { checkTimeWeights } from '../../model/network/loss';
import { checkRule } from '../../model/network/optimizer';
import { POOLS } from '../../model/vgg';
import { BACKEND_CHOICES } from '../../native/devices';
import { LIMITS } from '../../native/limits';
import { applyOverride, mergeConfig, type PlainObject } from './merge';
import { checkCodeStages } from './coded';
import { checkIncremental } from './incremental';
import { PHASES, type Phase } from '../run/events';
import { checkGeneStart, plainStart, refuseStart, startSchema } from '../start/start';
import { annPhase, binaryPhase, snnPhase } from './phase';
import {
  defaultDataset,
  defaultPreset,
  presetConfig,
  presetNames,
  scaledPreset,
  unscaledConfig,
  withoutBinary,
  withoutConversion,
} from './presets';
import { BUDGETS, MOST_MINUTES, withCostOfTarget, type Budget } from './recipes';

const count = integerOf(0);
const positiveCount = integerOf(1);
const { min: fewestShards, max: mostShards } = LIMITS.shards;
const shardCount = numberOf(
  `null, or a power of two from ${fewestShards} to ${mostShards}`,
  (value) => value >= fewestShards && value <= mostShards && Number.isInteger(Math.log2(value)),
);

const model = objectOf({
  name: text.optional(),
  layers: listOf(layerSchema, 'a non-empty list of layers').min(1, { error: 'a non-empty list of layers' }).optional(),
  input: inputShape.optional(),
  width: aboveZero.optional(),
  hidden: listOf(limitedInteger('out'), 'a list of integers above 0').optional(),
  pool: oneOf(POOLS).optional(),
  bias: flag.optional(),
  norm: oneOf(NORMS).optional(),
  dropout: limitedNumber('dropout').optional(),
  leak: limitedNumber('leak').optional(),
  threshold: limitedNumber('threshold').optional(),
  ...networkOptions,
  // Those that a preset always gives.
  timesteps: timestepCount,
  alpha: limitedNumber('alpha'),
  beta: limitedNumber('beta'),
  gamma: limitedNumber('gamma'),
  surrogateScale: limitedNumber('surrogateScale'),
  surrogate: oneOf(SURROGATES),
  encoder: oneOf(ENCODERS),
  lo: limitedNumber('lo'),
  hi: limitedNumber('hi'),
});

/** The schema of a complete configuration. */
export const schema = objectOf(
  {
    preset: oneOf(presetNames).optional(),
    model,
    dataset: objectOf({
      name: oneOf(sourceNames),
      directory: text.optional(),
      validation: below1,
      trainCount: positiveCount.optional(),
      testCount: positiveCount.optional(),
      size: integerOf(SCALED_SIDE.min, SCALED_SIDE.max).optional(),
      testShare: numberOf('a number between 0 and 1', (value) => value > 0 && value < 1).optional(),
      skipUnreadable: flag.optional(),
      mixedSizes: oneOf(MIXED_SIZES).optional(),
      split: text.optional(),
      seed: count.optional(),
    }),
    seed: limitedInteger('seed'),
    backend: oneOf(BACKEND_CHOICES),
    device: limitedInteger('device').optional(),
    threads: limitedInteger('threads', 0),
    precision: oneOf(PRECISIONS).optional(),
    out: text.optional(),
    init: text.optional(),
    budget: oneOf(BUDGETS).optional(),
    minutes: numberOf(
      `a number of minutes above 0, at most ${MOST_MINUTES} (a week)`,
      (value) => value > 0 && value <= MOST_MINUTES,
    ).optional(),
    // Runs of older versions know no shards.
    shards: shardCount.nullable().default(null),
    // Runs of older versions know no start but a random one.
    start: startSchema.default(plainStart),
    ann: annPhase,
    // Runs of older versions know no binary phase.
    binary: binaryPhase.default(withoutBinary),
    convert: objectOf({
      enabled: flag,
      percentile: numberOf(
        `a number above 0, at most ${LIMITS.percentile.max}`,
        (value) => value > 0 && value <= LIMITS.percentile.max,
      ),
      scale: limitedNumber('calibrationScale'),
      images: positiveCount,
    }),
    snn: snnPhase,
    evaluation: objectOf({ batch: positiveCount }),
    energy: objectOf({ images: count }),
    checkpoint: objectOf({ seconds: aboveZero }),
  },
  'an object',
);

/** A complete configuration, with a value for every key. */
export type TrainConfig = z.infer<typeof schema>;
/** Any part of an object, at every depth; lists are whole. */
export type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> | undefined }
    : T;
/**
 * What `train` takes: a preset's name, or any part of a configuration; the preset it names (default vgg6) fills the
 * rest. `$schema` is for editors: it names the JSON schema of the file.
 */
export type TrainConfigInput = string | (DeepPartial<TrainConfig> & { $schema?: string });

/** Checks a complete configuration. Errors: ERR_ARG, naming the key. */
export function parseConfig(input: unknown): TrainConfig {
  const config = parse(schema, input, 'the configuration');
  checkIntensities(config.model.lo, config.model.hi, 'model.');
  const { ann, binary, convert, snn } = config;
  const { minutes } = config;
  if (minutes === undefined && ann.epochs === 0 && binary.epochs === 0 && snn.epochs === 0 && !convert.enabled) {
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected at least one stage (ann.epochs, binary.epochs, convert.enabled, snn.epochs) but received none',
    );
  }
  checkCodeStages(config);
  for (const phase of PHASES) checkRule(config[phase].optimizer, `${phase}.optimizer`);
  if (snn.timeWeights !== undefined) checkTimeWeights(snn.timeWeights, 'snn.timeWeights', config.model.timesteps);
  checkIncremental(config);
  checkShards(config);
  if (config.init !== undefined) refuseStart(config.start, 'init gives every weight');
  checkGeneStart(config.start, config.model.genes !== undefined);
  for (const phase of PHASES) checkTeacher(config, phase);
  if (config.model.layers === undefined) checkOneOf(config.model.name, 'model.name', presetNames);
  return config;
}

/** A phase with distillation has a teacher: the best ANN of the run, or one by name. Errors: ERR_ARG. */
function checkTeacher(config: TrainConfig, phase: Phase): void {
  const { epochs, distillation } = config[phase];
  if (epochs === 0 || distillation.weight === 0 || distillation.teacher !== undefined) return;
  // What minutes chooses has ANN epochs.
  const trainsAnn = config.ann.epochs > 0 || config.minutes !== undefined;
  if (phase !== 'ann' && trainsAnn) return;
  const why = phase === 'ann' ? 'no ANN comes before this one' : 'this run trains no ANN';
  throw expected(`a model file or a run (${why})`, `${phase}.distillation.teacher`, undefined);
}

/** A batch takes the same number of images from every shard. Errors: ERR_ARG. */
function checkShards({ shards, minutes, ...config }: TrainConfig): void {
  if (shards === null) return;
  if (minutes !== undefined) throw expected('null (minutes chooses the batch)', 'shards', shards);
  for (const phase of PHASES) {
    const { epochs, batch } = config[phase];
    if (epochs > 0 && batch % shards !== 0)
      throw expected(`a multiple of ${shards} (the number of shards)`, `${phase}.batch`, batch);
  }
}

function plainCopy(input: unknown): PlainObject {
  if (!isPlainObject(input)) throw expected("an object or a preset's name", 'the configuration', input);
  const { $schema, ...config } = input;
  if ($schema !== undefined) checkString($schema, '$schema');
  try {
    return structuredClone(config);
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected plain JSON for the configuration but received ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Preset, then the given parts, then `overrides` (each `path.to.key=value`). A given list of layers takes the place of
 * the preset's network. Errors: ERR_ARG, naming the key and suggesting a spelling.
 */
export function resolveConfig(input: TrainConfigInput = {}, overrides: readonly string[] = []): TrainConfig {
  const given = typeof input === 'string' ? { preset: input } : plainCopy(input);
  if (!Array.isArray(overrides)) throw expected('a list of path.to.key=value', 'the overrides', overrides);
  // What the overrides say about preset and data set decides what lies under them.
  const asked = overrides.reduce(applyOverride, given);
  const name = valueAt(asked, ['model', 'name']);
  const { budget, minutes } = asked;
  const plain = budget === undefined && minutes === undefined;
  const named = (presetNames as readonly unknown[]).includes(name);
  const preset = String(asked.preset ?? (named ? name : plain ? defaultPreset : scaledPreset));
  const [coded, genes] = [asksFor(asked, 'code'), asksFor(asked, 'genes')];
  let under =
    minutes === undefined
      ? presetConfig(preset, datasetOf(asked), budget as Budget | undefined, { whole: wholeRun(asked), genes })
      : unscaledConfig(preset, datasetOf(asked), { coded, genes });
  if (valueAt(asked, ['convert', 'enabled']) === false && asked.init === undefined)
    under = mergeConfig(under, withoutConversion);
  if (asksFor(asked, 'layers')) {
    const {
      name: _name,
      width: _width,
      hidden: _hidden,
      pool: _pool,
      bias: _bias,
      norm: _norm,
      dropout: _dropout,
      ...rest
    } = under.model as PlainObject;
    under = { ...under, model: rest };
  }
  under = withCostOfTarget(under, asked);
  const config = parseConfig(overrides.reduce(applyOverride, mergeConfig(under, given)));
  checkTakenOptions(config.dataset.name, config.dataset, 'dataset.');
  if (config.minutes !== undefined) checkLeftToMinutes(config);
  return config;
}

const asksFor = (asked: PlainObject, part: 'layers' | 'code' | 'genes'): boolean =>
  valueAt(asked, ['model', part]) !== undefined;

/** Whether the network is that of a preset as it is, and trained from its start through all phases. */
function wholeRun(asked: PlainObject): boolean {
  const other = (['layers', 'code', 'genes'] as const).some((part) => asksFor(asked, part));
  const leftOut = valueAt(asked, ['ann', 'epochs']) === 0 || valueAt(asked, ['convert', 'enabled']) === false;
  return !other && !leftOut && asked.init === undefined;
}

/** Errors: ERR_ARG, naming what cannot be given where `minutes` chooses it. */
function checkLeftToMinutes(config: TrainConfig): void {
  const { budget, init } = config;
  const refuse = (key: string, value: unknown, why: string): OneSpikeError =>
    expected(`no ${key} beside minutes (${why})`, key, value);
  for (const phase of PHASES)
    if (config[phase].epochs !== 0)
      throw refuse(`${phase}.epochs`, config[phase].epochs, 'which chooses the number of epochs');
  if (budget !== undefined) throw refuse('budget', budget, 'which is another measure of the same');
  if (init !== undefined) throw refuse('init', init, 'which chooses the network');
  if (config.model.layers !== undefined)
    throw refuse('model.layers', config.model.layers, 'which scales the network of a preset');
}

/** Files without the name of their data set are a folder of pictures. */
function datasetOf(asked: PlainObject): string {
  const otherwise = valueAt(asked, ['dataset', 'directory']) === undefined ? defaultDataset : 'folder';
  return String(valueAt(asked, ['dataset', 'name']) ?? otherwise);
}
