// The card of a model: what a reader must know before using it. It is part of the model file, so that it cannot get
// lost.
import { z } from 'zod';
import { deferred, flag, formatOne, integerOf, listOf, numberOf, objectOf, oneOf, parse, text } from '../check/schema';
import { OneSpikeError } from '../errors';
import { parseJson } from '../io/json-text';
import { percent } from '../io/text/numbers';
import { packageVersion } from '../native/version';
import type { ResolvedNetwork } from '../model/description';
import { layerShapes } from '../model/shapes';
import type { Run } from '../train/run/load-run';

/** The metadata entry of a model file that holds its card. */
export const CARD = 'card';

const share = numberOf('a number in [0, 1], or null', (value) => value >= 0 && value <= 1).nullable();
const list = listOf(text, 'a list of texts');
const count = integerOf(0).nullable();

const cardSchema = objectOf(
  {
    format: formatOne,
    name: text,
    description: text,
    network: objectOf(
      {
        name: deferred(() => z.string({ error: 'a name' })),
        input: listOf(integerOf(1), '[C, H, W]'),
        timesteps: integerOf(1),
        parameters: integerOf(1),
        weights: oneOf(['f32', 'f16', 'bf16']),
      },
      'what the network is (an object)',
    ),
    data: objectOf(
      { name: text.nullable(), train: count, validation: count, test: count, testHash: text.nullable() },
      'what the data were (an object)',
    ),
    classes: list,
    recipe: deferred(() => z.record(z.string(), z.unknown(), { error: 'a configuration, or null' })).nullable(),
    accuracy: objectOf(
      { ann: share, binary: share, converted: share, snn: share, rounded: flag },
      'accuracies on the test images (an object)',
    ),
    spikesPerNeuron: share,
    energy: objectOf(
      {
        ratio: numberOf('a number, or null').nullable(),
        account: text.nullable(),
        constants: text.nullable(),
      },
      'the energy of an inference (an object)',
    ),
    licence: text,
    limits: list,
    created: text,
    version: text,
  },
  'a model card (an object)',
);

/** What a reader must know of a model before using it. */
export interface ModelCard {
  /** The version of this list of fields. */
  format: 1;
  /** The name of the model. */
  name: string;
  /** What the model does, in a sentence. */
  description: string;
  /**
   * The network: its name, the shape [C, H, W] of its images, its steps, its trained numbers, and how weights are
   * stored.
   */
  network: { name: string; input: number[]; timesteps: number; parameters: number; weights: 'f32' | 'f16' | 'bf16' };
  /**
   * The data set: its name, the numbers of its images, and the SHA-256 of the test images; null where it is not known.
   */
  data: {
    name: string | null;
    train: number | null;
    validation: number | null;
    test: number | null;
    testHash: string | null;
  };
  /** The names of the classes; a label is a position in this list. */
  classes: string[];
  /** The configuration that the model was trained with; null where it is not known. */
  recipe: Record<string, unknown> | null;
  /**
   * The accuracies on the test images, from 0 to 1, null where there is none, of the ANN with ReLU, the ANN with binary
   * activations, the converted and the trained spiking network; `rounded` says whether weights were rounded after they
   * were measured.
   */
  accuracy: {
    ann: number | null;
    binary: number | null;
    converted: number | null;
    snn: number | null;
    rounded: boolean;
  };
  /** The spikes of a hidden neuron per image, on the test images. */
  spikesPerNeuron: number | null;
  /** The energy of the dense ANN over that of the spiking network, its account and its constants. */
  energy: { ratio: number | null; account: string | null; constants: string | null };
  /** The licence of the model. */
  licence: string;
  /** What the model is not fit for. */
  limits: string[];
  /** The day on which the card was written. */
  created: string;
  /** The version of onespike that wrote it. */
  version: string;
}

/** What a card says that no run knows. */
export interface CardOptions {
  /** The name of the model. */
  name: string;
  /** The licence; 'not stated' by default. */
  licence?: string | undefined;
  /** Limits beside those that every model has. */
  limits?: readonly string[] | undefined;
  /** How weights are stored; as 32-bit floats by default. */
  weights?: ModelCard['network']['weights'] | undefined;
}

/** The card of a network; of a run, whose results it then tells. */
export function cardOf(
  network: ResolvedNetwork,
  classes: readonly string[],
  run: Run | undefined,
  { name, licence = 'not stated', limits = [], weights = 'f32' }: CardOptions,
): ModelCard {
  const { input, timesteps } = network;
  const [, height, width] = input;
  const { results, info } = run ?? {};
  const energy = results?.energy;
  const spiking = results?.snn.testAccuracy != null;
  return {
    format: 1,
    name,
    description:
      `${spiking ? 'A spiking network' : 'A network'} that names the class of a picture, one of ${network.layers.at(-1)!.out}` +
      `${info === undefined ? '' : `, trained on ${info.dataset.name}`}.`,
    network: {
      name: network.name,
      input: [...input],
      timesteps,
      parameters: layerShapes(network).reduce((sum, { parameters }) => sum + parameters, 0),
      weights,
    },
    data: {
      name: info?.dataset.name ?? null,
      train: info?.dataset.train ?? null,
      validation: info?.dataset.validation ?? null,
      test: info?.dataset.test ?? null,
      testHash: info?.dataset.hash?.test ?? null,
    },
    classes: [...classes],
    recipe: info === undefined ? null : portable(info.config as unknown as Record<string, unknown>),
    accuracy: {
      ann: results?.ann.testAccuracy ?? null,
      binary: results?.binary.testAccuracy ?? null,
      converted: results?.converted.testAccuracy ?? null,
      snn: results?.snn.testAccuracy ?? null,
      rounded: weights !== 'f32',
    },
    spikesPerNeuron: results?.snn.spikesPerNeuron ?? null,
    energy: {
      ratio: energy?.ratio ?? null,
      account: energy !== undefined && 'account' in energy ? energy.account : null,
      constants: energy !== undefined && 'constants' in energy ? energy.constants : null,
    },
    licence,
    limits: [
      'It answers with one of its classes whatever the picture shows.',
      `It sees ${height} x ${width} pixels: of other pictures the centre part of these proportions is resized.`,
      ...limits,
    ],
    created: new Date().toISOString().slice(0, 10),
    version: packageVersion(),
  };
}

/** A configuration without what belongs to a machine: folders and devices. */
function portable({
  out: _out,
  init: _init,
  backend: _backend,
  device: _device,
  threads: _threads,
  ...config
}: Record<string, unknown>): Record<string, unknown> {
  const { directory: _directory, ...dataset } = (config['dataset'] ?? {}) as Record<string, unknown>;
  return { ...config, dataset };
}

/** The card in the metadata of a model file; undefined if there is none. Errors: ERR_FORMAT. */
export function readCard(metadata: Readonly<Record<string, string>>, path: string): ModelCard | undefined {
  const json = metadata[CARD];
  if (json === undefined) return undefined;
  const value = parseJson(json, `the model card of ${path}`);
  try {
    return parse(cardSchema, value, 'the model card') as ModelCard;
  } catch (error) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a model card in ${path} but received one with the fault: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The card as a page in Markdown. */
export function cardPage(card: ModelCard): string {
  const { network, data, accuracy, energy } = card;
  const binary = accuracy.binary === null ? '' : `binary ANN ${percent(accuracy.binary, 2)}, `;
  const rows: [string, string][] = [
    [
      'network',
      `${network.name}, ${network.parameters} parameters, T = ${network.timesteps}, weights ${network.weights}`,
    ],
    ['images', network.input.join(' x ')],
    ['classes', card.classes.length === 0 ? 'not named' : card.classes.join(', ')],
    [
      'data',
      data.name === null
        ? 'not known'
        : `${data.name}: ${data.train} images to train, ${data.validation} to validate, ${data.test} to test`,
    ],
    [
      'test accuracy',
      `ANN ${percent(accuracy.ann, 2)}, ${binary}converted ${percent(accuracy.converted, 2)}, ` +
        `SNN ${percent(accuracy.snn, 2)}` +
        (accuracy.rounded ? ` (before weights were rounded to ${network.weights})` : ''),
    ],
    ['spikes per neuron', card.spikesPerNeuron === null ? '–' : card.spikesPerNeuron.toFixed(3)],
    [
      'energy, ANN / SNN',
      energy.ratio === null ? '–' : `${energy.ratio.toFixed(1)} (${energy.account}, ${energy.constants})`,
    ],
    ['licence', card.licence],
    ['written', `${card.created}, onespike ${card.version}`],
  ];
  return [
    `# ${card.name}`,
    '',
    card.description,
    '',
    '| what | value |',
    '| ---- | ----- |',
    ...rows.map(([what, value]) => `| ${what} | ${value} |`),
    '',
    'Limits:',
    '',
    ...card.limits.map((limit) => `- ${limit}`),
    ...(card.recipe === null ? [] : ['', 'Recipe:', '', '```json', JSON.stringify(card.recipe, null, 2), '```']),
    '',
  ].join('\n');
}
