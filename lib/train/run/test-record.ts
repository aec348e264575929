// What the network of a run did with its test images, in `test.safetensors`: the answer to every image, spike times
// counted per layer, operations and energy, and a few images with all their spike times. Pictures are drawn from it
// without running the network or loading the data set again.
import { z } from 'zod';
import { deferred, finite, formatOne, integerOf, listOf, objectOf, oneOf, parse, text } from '../../check/schema';
import type { ImageShape } from '../../data';
import type { EnergyReport } from '../../energy';
import { OneSpikeError } from '../../errors';
import { readSafetensors, writeSafetensors, type Tensor, type TensorType } from '../../io/safetensors';
import { layerName, type LayerId } from '../../model/layer';
import { PHASES, type Phase } from './events';

/** The answers to the test images, one entry per image in each array. */
export interface Answers {
  labels: Int32Array;
  predictions: Int32Array;
  /** Softmax of the logits at the label. */
  probabilities: Float32Array;
  /** Number of classes that were preferred to the label: 0 where the prediction is right. */
  ranks: Int32Array;
}

/** How many neurons of a layer fired at each step, summed over images. */
export interface LayerTimes {
  layer: LayerId;
  neurons: number;
  images: number;
  /** T + 1 numbers: neurons that never fired, then those of step 1, 2, ..., T. */
  counts: Float64Array;
}

/** The trained numbers of the neurons of a layer. */
export interface NeuronParameters {
  layer: LayerId;
  threshold: number;
  leak: number;
}

/** One test image on its way through the network. */
export interface Example extends Trace {
  /** Position in the test set. */
  row: number;
  label: number;
}

/** What a network does with one image. */
export interface Trace {
  /** Softmax of the logits (K). */
  probabilities: Float32Array;
  /** (C, H, W). */
  pixels: Uint8Array;
  /** The class that the network would answer after each step (T); empty without spikes. */
  answers: Int32Array;
  /** One byte per neuron: the step of its spike, or 0; nothing without spikes. The output layer is the last. */
  maps: { layer: LayerId; shape: number[]; times: Uint8Array }[];
}

export interface TestRecord {
  mode: Phase;
  /** Names of the classes. */
  classes: string[];
  /** Shape of every image. */
  input: ImageShape;
  answers: Answers;
  times: LayerTimes[];
  /** Thresholds and leaks; nothing without spikes. */
  neurons: NeuronParameters[];
  energy: EnergyReport | null;
  /** Images with the lowest probability of their label first, or the highest. */
  worst: Example[];
  best: Example[];
}

const kinds = ['worst', 'best'] as const;
const answerTypes = { labels: 'I32', predictions: 'I32', probabilities: 'F32', ranks: 'I32' } as const;

const header = objectOf({
  format: formatOne,
  mode: oneOf(PHASES),
  classes: listOf(text, 'a list of names'),
  layers: listOf(objectOf({ layer: integerOf(0), neurons: integerOf(1), images: integerOf(0) }), 'a list of layers'),
  neurons: listOf(objectOf({ layer: integerOf(0), threshold: finite, leak: finite }), 'a list of layers'),
  energy: deferred(() =>
    z.looseObject({ accounts: z.array(z.looseObject({})), layers: z.array(z.looseObject({})) }).nullable(),
  ),
});

/** Writes the record, atomically. Errors: ERR_IO. */
export async function writeTestRecord(path: string, record: TestRecord): Promise<void> {
  const { mode, classes, input, answers, times, neurons, energy } = record;
  const tensors = new Map<string, Tensor>();
  const add = (name: string, dtype: TensorType, shape: number[], data: Tensor['data']): unknown =>
    tensors.set(name, { dtype, shape, data });
  const count = answers.labels.length;
  for (const [name, dtype] of Object.entries(answerTypes)) add(name, dtype, [count], answers[name as keyof Answers]);
  for (const { layer, counts } of times) add(`times.${layerName(layer)}`, 'F64', [counts.length], counts);
  for (const kind of kinds) {
    const examples = record[kind];
    const [first] = examples;
    if (first === undefined) continue;
    const images = examples.length;
    add(
      `${kind}.rows`,
      'I32',
      [images],
      Int32Array.from(examples, ({ row }) => row),
    );
    add(
      `${kind}.labels`,
      'I32',
      [images],
      Int32Array.from(examples, ({ label }) => label),
    );
    add(
      `${kind}.pixels`,
      'U8',
      [images, ...input],
      joined(Uint8Array, examples, ({ pixels }) => pixels),
    );
    add(
      `${kind}.probabilities`,
      'F32',
      [images, classes.length],
      joined(Float32Array, examples, ({ probabilities }) => probabilities),
    );
    add(
      `${kind}.answers`,
      'I32',
      [images, first.answers.length],
      joined(Int32Array, examples, ({ answers: each }) => each),
    );
    first.maps.forEach(({ layer, shape }, i) =>
      add(
        `${kind}.${layerName(layer)}`,
        'U8',
        [images, ...shape],
        joined(Uint8Array, examples, ({ maps }) => maps[i]!.times),
      ),
    );
  }
  const layers = times.map(({ layer, neurons, images }) => ({ layer, neurons, images }));
  const described = JSON.stringify({ format: 1, mode, classes, layers, neurons, energy });
  await writeSafetensors(path, tensors, { onespikeTest: described });
}

type NumberArray = Uint8Array | Int32Array | Float32Array;

/** The arrays of all examples one behind the other. */
function joined<T extends NumberArray>(
  type: new (length: number) => T,
  examples: readonly Example[],
  part: (example: Example) => T,
): T {
  const parts = examples.map(part);
  const all = new type(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}

/** Errors: ERR_IO; ERR_FORMAT for a file that is damaged or of another kind. */
export async function readTestRecord(path: string): Promise<TestRecord> {
  const { metadata, tensors } = await readSafetensors(path);
  const reader = new Reader(path, tensors);
  const { mode, classes, layers, neurons, energy } = reader.header(metadata['onespikeTest']);
  const answers = Object.fromEntries(
    Object.entries(answerTypes).map(([name, dtype]) => [name, reader.take(name, dtype).data]),
  ) as unknown as Answers;
  const count = answers.labels.length;
  for (const name of Object.keys(answerTypes)) reader.need(name, [count]);
  reader.needBelow('labels', answers.labels, classes.length);
  reader.needBelow('predictions', answers.predictions, classes.length);
  const input = reader.inputShape();
  return {
    mode,
    classes,
    input,
    answers,
    times: layers.map((layer) => ({
      ...layer,
      counts: reader.take(`times.${layerName(layer.layer)}`, 'F64').data as Float64Array,
    })),
    neurons,
    energy: energy as unknown as EnergyReport | null,
    worst: reader.examples('worst', input, classes.length),
    best: reader.examples('best', input, classes.length),
  };
}

/** Tensors of a record, checked as they are taken. */
class Reader {
  constructor(
    private readonly path: string,
    private readonly tensors: ReadonlyMap<string, Tensor>,
  ) {}

  header(json: string | undefined): z.infer<typeof header> {
    let value: unknown;
    try {
      value = JSON.parse(json ?? 'null');
    } catch {
      value = null;
    }
    return parse(header, value, `the record in ${this.path}`, 'ERR_FORMAT');
  }

  take(name: string, dtype: TensorType): Tensor {
    const tensor = this.tensors.get(name);
    if (tensor?.dtype !== dtype) throw this.damaged(`a tensor '${name}' of ${dtype}`, tensor?.dtype ?? 'none');
    return tensor;
  }

  need(name: string, shape: readonly number[]): void {
    const received = this.tensors.get(name)?.shape ?? [];
    if (String(received) !== String(shape)) throw this.damaged(`'${name}' of shape [${shape}]`, `[${received}]`);
  }

  needBelow(name: string, values: Int32Array, limit: number): void {
    const wrong = values.find((value) => value < 0 || value >= limit);
    if (wrong !== undefined) throw this.damaged(`${name} from 0 to ${limit - 1}`, String(wrong));
  }

  inputShape(): ImageShape {
    const shape = kinds.map((kind) => this.tensors.get(`${kind}.pixels`)?.shape).find((found) => found !== undefined);
    if (shape === undefined) return [0, 0, 0];
    if (shape.length !== 4) throw this.damaged('pixels of shape [N, C, H, W]', `[${shape}]`);
    return shape.slice(1) as ImageShape;
  }

  examples(kind: (typeof kinds)[number], input: ImageShape, classes: number): Example[] {
    if (!this.tensors.has(`${kind}.rows`)) return [];
    const rows = this.take(`${kind}.rows`, 'I32').data as Int32Array;
    const images = rows.length;
    const labels = this.take(`${kind}.labels`, 'I32').data as Int32Array;
    this.need(`${kind}.labels`, [images]);
    this.needBelow(`${kind}.labels`, labels, classes);
    const pixels = this.take(`${kind}.pixels`, 'U8').data as Uint8Array;
    this.need(`${kind}.pixels`, [images, ...input]);
    const probabilities = this.take(`${kind}.probabilities`, 'F32').data as Float32Array;
    this.need(`${kind}.probabilities`, [images, classes]);
    const answers = this.take(`${kind}.answers`, 'I32');
    const steps = answers.shape[1] ?? -1;
    this.need(`${kind}.answers`, [images, steps]);
    this.needBelow(`${kind}.answers`, answers.data as Int32Array, classes);
    const maps = [...this.tensors].flatMap(([name, tensor]) => {
      const layer = new RegExp(`^${kind}\\.layers\\.(\\d+)$`).exec(name)?.[1];
      if (layer === undefined) return [];
      const [count, ...shape] = this.take(name, 'U8').shape;
      if (count !== images || (shape.length !== 1 && shape.length !== 3))
        throw this.damaged(`'${name}' of ${images} maps`, `[${tensor.shape}]`);
      return [{ layer: Number(layer), shape, times: tensor.data as Uint8Array }];
    });
    maps.sort((a, b) => a.layer - b.layer);
    return Array.from(rows, (row, i) => ({
      row,
      label: labels[i]!,
      probabilities: part(probabilities, i, images),
      pixels: part(pixels, i, images),
      answers: part(answers.data as Int32Array, i, images),
      maps: maps.map(({ layer, shape, times }) => ({ layer, shape, times: part(times, i, images) })),
    }));
  }

  private damaged(wanted: string, received: string): OneSpikeError {
    return new OneSpikeError('ERR_FORMAT', `Expected ${wanted} for ${this.path} but received ${received}`);
  }
}

/** Entry `i` of an array over `count` images. */
function part<T extends NumberArray>(array: T, i: number, count: number): T {
  const size = array.length / count;
  return array.subarray(i * size, (i + 1) * size) as T;
}
