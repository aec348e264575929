// The networks of a comparison that begins with a configuration: its own, and those with a trained code.
import { isPlainObject, expected } from '../check';
import { objectOf, parse } from '../check/schema';
import { z } from 'zod';
import { CODES, type Code } from '../model/code/code';
import { resolveConfig, type DeepPartial, type TrainConfig, type TrainConfigInput } from '../train/config/config';
import { mergeConfig, type PlainObject } from '../train/config/merge';

/** A configuration of `train`, with what a comparison wants besides. */
export type ComparedConfig = Exclude<TrainConfigInput, string> & {
  /** What the comparison wants besides. */
  compare?: {
    /**
     * The codes in which networks are trained besides, each with what its configuration has instead of the first one's;
     * `{}` for nothing.
     */
    trained?: Partial<Record<Code['kind'], DeepPartial<TrainConfig>>>;
  };
};

/** A network that is trained for a comparison. */
export interface TrainedNetwork {
  /** The folder of its run within that of the comparison. */
  folder: string;
  config: TrainConfig;
}

const part = z.custom<PlainObject>(isPlainObject, { error: 'a part of a configuration (an object)' }).optional();
const schema = objectOf({
  compare: objectOf({ trained: objectOf({ ttfs: part, radix: part, 'one-spike-phase': part }).default({}) }).default({
    trained: {},
  }),
});

/** As the presets with a code, and the default of the simulation of the same name. */
const USUAL: Record<Code['kind'], Code> = {
  ttfs: { kind: 'ttfs', window: 8 },
  radix: { kind: 'radix', bits: 4 },
  'one-spike-phase': { kind: 'one-spike-phase', base: 1.2, period: 24 },
};

/** The networks of a configuration, the one that the comparison is about first. Errors: ERR_ARG, naming the key. */
export function networksOf(input: unknown, quick: boolean): TrainedNetwork[] {
  if (!isPlainObject(input)) throw expected('the folder of a run (a string), or a configuration', 'subject', input);
  const { compare, ...given } = input;
  const { trained } = parse(schema, { compare }, 'the configuration').compare;
  const shorter = quick ? quickConfig : (config: TrainConfig) => config;
  const own = shorter(resolveConfig(given as TrainConfigInput));
  if (own.model.code !== undefined)
    throw expected(
      'a network without a code (compare.trained names those with one)',
      'model.code',
      own.model.code.kind,
    );
  if (own.ann.epochs === 0) throw expected('at least 1 (the simulated codes are those of the ANN)', 'ann.epochs', 0);
  return [
    { folder: 'run', config: own },
    ...CODES.flatMap((code): TrainedNetwork[] => {
      const changes = trained[code];
      return changes === undefined ? [] : [{ folder: code, config: shorter(codedConfig(own, code, changes)) }];
    }),
  ];
}

/** The configuration of the same network with a code: without what only neurons with time steps have. */
function codedConfig(own: TrainConfig, code: Code['kind'], changes: PlainObject): TrainConfig {
  const { threshold: _threshold, leak: _leak, schedules: _schedules, initialPotential: _initial, ...model } = own.model;
  const { timeWeights: _weights, ...snn } = own.snn;
  const same: PlainObject = { ...own, model, snn };
  const coded: PlainObject = {
    model: { code: USUAL[code], encoder: 'hybrid' },
    binary: { epochs: 0 },
    // What a code can hold is put where the activations of the ANN are.
    convert: { scale: 1 },
    snn: { incremental: [], activity: { strength: 0 }, relaxation: 0 },
  };
  return resolveConfig([coded, changes].reduce<PlainObject>(mergeConfig, same) as TrainConfigInput);
}

const QUICK_IMAGES = 2000;

/** The same with one epoch of every phase, on few images. */
function quickConfig(config: TrainConfig): TrainConfig {
  const { ann, binary, snn, dataset, minutes } = config;
  if (minutes !== undefined) throw expected('no minutes beside quick, which is another measure', 'minutes', minutes);
  const once = <P extends { epochs: number }>(phase: P): P => ({ ...phase, epochs: Math.min(1, phase.epochs) });
  return {
    ...config,
    ann: once(ann),
    binary: once(binary),
    snn: {
      ...once(snn),
      incremental: [],
      relaxation: 0,
      ...(snn.code === undefined ? {} : { code: { ...snn.code, relaxation: 0 } }),
    },
    dataset: { ...dataset, trainCount: Math.min(QUICK_IMAGES, dataset.trainCount ?? QUICK_IMAGES) },
  };
}

/** The default name of the folder of a comparison, within `comparisons`. */
export function comparisonName({ config }: TrainedNetwork, quick: boolean): string {
  const { model, dataset } = config;
  return `${model.name ?? 'custom'}-${dataset.name}${quick ? '-quick' : ''}`;
}
