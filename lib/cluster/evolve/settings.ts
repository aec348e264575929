// An evolution: the configuration whose genes evolve, and by how many individuals and generations.
import { expected, isPlainObject } from '../../check';
import { flag, integerOf, notNegative, numberOf, objectOf, parse } from '../../check/schema';
import { OneSpikeError } from '../../errors';
import { sources } from '../../data';
import { VGG_NAMES } from '../../model/vgg';
import { EVOLUTION_LIMITS } from './limits';
import { parseConfig, resolveConfig, type TrainConfig, type TrainConfigInput } from '../../train/config/config';
import { ratesWithoutGenes } from '../../train/config/presets';
import { refuseStart } from '../../train/start/start';

/** How genes evolve. */
export interface EvolutionSettings {
  /** The number of generations; 8 by default. */
  generations: number;
  /** The number of individuals of a generation; 8 by default. */
  population: number;
  /** The number of individuals that the next generation descends from; 2 by default. */
  parents: number;
  /** The size of a mutation, in units of the initial deviation of an interaction; 0.3 by default. */
  sigma: number;
  /** The ANN epochs of an individual; 2 by default. */
  epochs: number;
  /** The training images of an individual, those of its validation included; 5000 by default, 0 for all. */
  images: number;
  /** The weight of the entropy in the fitness of the first generation; 0.05 by default. */
  entropy: number;
  /** The weight of the temporal difference in the fitness of the first generation; 0.05 by default. */
  difference: number;
  /** The factor of both weights from one generation to the next; 0.8 by default. */
  decay: number;
  /** The seed of the draws; 1 by default. */
  drawSeed: number;
  /** Whether the best evolved network, the best random one and a dense one are trained in full; true by default. */
  final: boolean;
}

/** An evolution with everything that decides its result. */
export interface Evolution extends EvolutionSettings {
  /** The complete configuration of the final training. */
  config: TrainConfig;
}

const integer = (name: Exclude<keyof typeof EVOLUTION_LIMITS, 'sigma'>) =>
  integerOf(EVOLUTION_LIMITS[name].min, EVOLUTION_LIMITS[name].max);
const { min: noMutation, max: largestMutation } = EVOLUTION_LIMITS.sigma;

const schema = objectOf(
  {
    generations: integer('generations').default(8),
    population: integer('population').default(8),
    parents: integer('parents').default(2),
    sigma: numberOf(
      `a number > ${noMutation} and at most ${largestMutation}`,
      (value) => value > noMutation && value <= largestMutation,
    ).default(0.3),
    epochs: integer('epochs').default(2),
    images: integer('images').default(5000),
    entropy: notNegative.default(0.05),
    difference: notNegative.default(0.05),
    decay: numberOf('a number from 0 to 1', (value) => value >= 0 && value <= 1).default(0.8),
    drawSeed: integerOf(0, Number.MAX_SAFE_INTEGER).default(1),
    final: flag.default(true),
  },
  'an object',
);

/**
 * Checks a configuration with genes, `overrides` of its keys (`path.to.key=value`) and the settings of an evolution;
 * what is left out has its default.
 * Errors: ERR_ARG, naming the key.
 */
export function parseEvolution(
  config: TrainConfigInput,
  settings: unknown = {},
  overrides: readonly string[] = [],
): Evolution {
  const numbers = parse(schema, settings, 'evolution');
  if (numbers.parents > numbers.population)
    throw expected(`an integer of at most population (${numbers.population})`, 'evolution.parents', numbers.parents);
  const resolved = resolveConfig(config, overrides);
  if (resolved.model.genes === undefined)
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected a network with genes to evolve (model.genes, or a preset such as vgg7-genes) but received none',
    );
  if (resolved.minutes !== undefined) throw expected('no minutes (give epochs)', 'minutes', resolved.minutes);
  if (resolved.init !== undefined)
    throw expected('no init (individuals begin with their genes)', 'init', resolved.init);
  refuseStart(resolved.start, 'individuals begin with their genes');
  return { ...numbers, config: resolved };
}

/** Settings from a configuration file that has them under `evolution`, and the configuration without them. */
export function separateSettings(input: unknown): { config: unknown; settings: Record<string, unknown> } {
  if (!isPlainObject(input) || input['evolution'] === undefined) return { config: input, settings: {} };
  const { evolution, ...config } = input;
  if (!isPlainObject(evolution)) throw expected('an object of settings', 'evolution', evolution);
  return { config, settings: evolution };
}

/** What a study may hold of a configuration: its trials have their own seed, folder and threads. */
export function sharedConfig({ seed: _s, out: _o, threads: _t, device: _d, ...config }: TrainConfig): object {
  return config;
}

/** The configuration of an individual: the ANN alone, for a few epochs on a part of the images. */
export function individualConfig({ config, epochs, images }: Evolution): TrainConfig {
  const { options } = sources[config.dataset.name];
  const most = (given: number | undefined, wanted: number): number => Math.min(given ?? Infinity, wanted);
  const { trainCount, testCount } = config.dataset;
  const subset =
    images === 0 || !options.includes('trainCount')
      ? {}
      : { trainCount: most(trainCount, images), testCount: most(testCount, Math.max(1, Math.ceil(images / 5))) };
  return parseConfig({
    ...config,
    dataset: { ...config.dataset, ...subset },
    ann: { ...config.ann, epochs, patience: 0 },
    binary: { ...config.binary, epochs: 0 },
    convert: { ...config.convert, enabled: false },
    snn: { ...config.snn, epochs: 0, incremental: [] },
    energy: { ...config.energy, images: 0 },
  });
}

/** The same training of a network whose weights are all its own, at the rates at which such a network learns. */
export function denseConfig({ config: genetic }: Evolution): TrainConfig {
  const config = ratesWithoutGenes({ ...genetic }) as unknown as TrainConfig;
  const { genes: _, ...model } = config.model;
  const plain = (name: string | undefined): string | undefined =>
    VGG_NAMES.find((vgg) => name === `${vgg}-genes`) ?? name;
  return parseConfig({
    ...config,
    ...(config.preset === undefined ? {} : { preset: plain(config.preset) }),
    model: { ...model, ...(model.name === undefined ? {} : { name: plain(model.name) }) },
  });
}
