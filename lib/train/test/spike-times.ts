// The spike times of test images: counted per layer and step, and kept whole for a few images.
import type { ImageSet } from '../../data';
import { heldPart } from '../../data/held';
import { selectImages } from '../../data/split';
import { imageSize } from '../../data/types';
import { layerName, type SpikingLayer } from '../../model/layer';
import { layerShapes } from '../../model/description';
import type { Network } from '../../model/network';
import type { SpikeTimes } from '../../model/spike-times';
import { allRows } from '../rows/order';
import { gatherNumbers, type Sharing } from '../loop/shares';
import type { Phase } from '../run/events';
import type { Answers, Example, LayerTimes, Trace } from '../run/test-record';
import { exampleRows } from './answers';

/** Counts spike times per layer, the output layer's too. */
export class SpikeTimeCounter {
  readonly #layers: readonly SpikingLayer[];
  readonly #timesteps: number;
  readonly #counts: Float64Array[];
  #images = 0;

  constructor({ layers, description }: Network) {
    this.#layers = layers;
    this.#timesteps = description.timesteps;
    this.#counts = layers.map(() => new Float64Array(this.#timesteps + 1));
  }

  add(spikeTimes: SpikeTimes, images: number): void {
    this.#images += images;
    this.#layers.forEach(({ layer }, i) => {
      const histogram = new Float64Array(256);
      for (const time of spikeTimes.get(layer)!) histogram[time]!++;
      const counts = this.#counts[i]!;
      for (let t = 0; t <= this.#timesteps; t++) counts[t]! += histogram[t]!;
      // The output layer says T + 1 where it has not fired.
      if (this.#timesteps < 255) counts[0]! += histogram[this.#timesteps + 1]!;
    });
  }

  /** Adds what the counters of the other ranks have counted; every rank makes this call. */
  async join(ranks: Sharing): Promise<void> {
    const own = Float64Array.of(this.#images, ...this.#counts.flatMap((counts) => [...counts]));
    const all = await gatherNumbers(ranks, own);
    const sums = own.map((_, i) => all.reduce((sum, numbers) => sum + numbers[i]!, 0));
    this.#images = sums[0]!;
    this.#counts.forEach((counts, i) => counts.set(sums.subarray(1 + i * counts.length, 1 + (i + 1) * counts.length)));
  }

  get times(): LayerTimes[] {
    return this.#layers.map(({ layer, neurons }, i) => ({
      layer,
      neurons,
      images: this.#images,
      counts: this.#counts[i]!,
    }));
  }
}

/** Spike times of all examples together: the record of a run stays small beside its checkpoints. */
const MOST_BYTES = 16 * 2 ** 20;
const MOST_EXAMPLES = 4;

/** The images that the network knows worst and best, with all their spike times. Errors: ERR_ABORTED, ERR_OOM. */
export async function traceExamples(
  network: Network,
  test: ImageSet,
  answers: Answers,
  mode: Phase,
  { signal, sharing = null }: { signal?: AbortSignal | undefined; sharing?: Sharing | null } = {},
): Promise<{ worst: Example[]; best: Example[] }> {
  const neurons = network.layers.reduce((sum, layer) => sum + layer.neurons, 0);
  const count = Math.max(
    1,
    Math.min(MOST_EXAMPLES, Math.floor(MOST_BYTES / (2 * neurons)), Math.floor(test.count / 2)),
  );
  const trace = async (kind: 'worst' | 'best'): Promise<Example[]> =>
    traced(network, await chosenImages(test, exampleRows(answers, kind, count), sharing), mode, signal);
  return { worst: await trace('worst'), best: await trace('best') };
}

/** A few images by their rows. */
interface Chosen {
  rows: readonly number[];
  pixels: Uint8Array;
  labels: Int32Array;
}

/** Some images of a set, of which every rank may hold others. */
async function chosenImages(set: ImageSet, rows: readonly number[], sharing: Sharing | null): Promise<Chosen> {
  const labels = Int32Array.from(rows, (row) => set.labels[row]!);
  if (sharing === null) return { rows, labels, pixels: selectImages(set, Uint32Array.from(rows)).pixels };
  const held = heldPart(set)?.rows ?? allRows(set.count);
  const own = rows.filter((row) => held.includes(row));
  const numbers = await gatherNumbers(sharing, Float64Array.from(own));
  const images = await sharing.gather(selectImages(set, Uint32Array.from(own)).pixels);
  const size = imageSize(set);
  const pixels = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => {
    const rank = numbers.findIndex((of) => of.includes(row));
    const at = numbers[rank]!.indexOf(row) * size;
    pixels.set(images[rank]!.subarray(at, at + size), i * size);
  });
  return { rows, labels, pixels };
}

async function traced(
  network: Network,
  { rows, pixels, labels }: Chosen,
  mode: Phase,
  signal?: AbortSignal,
): Promise<Example[]> {
  const traces = await traceImages(network, pixels, mode, signal);
  return traces.map((trace, i) => ({ row: rows[i]!, label: labels[i]!, ...trace }));
}

/** What the network does with each of a few images (N, C, H, W). Errors: ERR_SHAPE, ERR_ABORTED, ERR_OOM. */
export async function traceImages(
  network: Network,
  pixels: Uint8Array,
  mode: Phase,
  signal?: AbortSignal,
): Promise<Trace[]> {
  const spiking = mode === 'snn' && network.description.code === undefined;
  const result = await network.forward(pixels, { mode, trace: spiking, margins: false, potentials: spiking, signal });
  const steps = result.potentials === undefined ? undefined : await network.anytime(result.potentials);
  const { timesteps } = network.description;
  const classes = network.layers.at(-1)!.neurons;
  const shapes = layerShapes(network.description);
  const size = pixels.length / result.predictions.length;
  return Array.from(result.predictions, (_, i) => ({
    probabilities: Float32Array.from(result.probabilities.subarray(i * classes, (i + 1) * classes)),
    pixels: pixels.subarray(i * size, (i + 1) * size),
    answers: steps?.predictions.subarray(i * timesteps, (i + 1) * timesteps) ?? new Int32Array(0),
    maps: network.layers.flatMap(({ layer, neurons }) => {
      const times = result.spikeTimes?.get(layerName(layer));
      if (times === undefined) return [];
      const { type, out } = shapes[layer]!;
      const own = times.slice(i * neurons, (i + 1) * neurons).map((time) => (time > timesteps ? 0 : time));
      return [{ layer, shape: type === 'linear' ? [neurons] : [...out], times: own }];
    }),
  }));
}
