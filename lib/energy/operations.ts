// Counts what a spiking network did on given images, from its spike-time maps, beside what the dense network would do.
import { checkTypedArray, expected } from '../check';
import { resolveNetwork, type NetworkDescription, type ResolvedNetwork } from '../model/description';
import { isPool, layerName, type LayerId } from '../model/layer';
import type { FloatTensor } from '../model/parameters';
import type { OperationCounts } from '../model/network/operations';
import { layerShapes, type LayerShape, type MapShape } from '../model/shapes';
import { inputEncoding } from '../native/encoding';
import { CodedCounter } from './coded';
import { fanOut, type FanOut } from './fan-out';
import { Reach } from './reach';
import { addSums, takeSums } from './sums';

/** Spike times by layer name `layers.I`, (N, C, H, W) or (N, O), 0 = never; the output layer is not read. */
export interface SpikeTimeMaps {
  /** The spike times of one layer. */
  get(name: string): ArrayLike<number> | undefined;
}

interface MapCount {
  /** Per image as fan-out goes; sums over all images so far. */
  events: number;
  accumulates: number;
  updates: number;
  scheduleMacs: number;
}

const SUMS = ['events', 'accumulates', 'updates', 'scheduleMacs'] as const satisfies readonly (keyof MapCount)[];

/** The events of a map on their way to a layer. */
interface Route {
  fanOut: FanOut;
  /** Null without schedules. */
  reach: Reach | null;
  count: MapCount;
}

/** A counter that adds up operations batch by batch, so that the maps of many images need not exist at once. */
export class OperationCounter {
  private images = 0;
  /** The counter of a network with a code, which counts in place of this one; else null. */
  private readonly coded: CodedCounter | null;
  private readonly encoding: ReturnType<typeof inputEncoding>;
  private readonly input: Route;
  private readonly hidden: (Route & { layer: LayerId; neurons: number })[];

  private readonly network: ResolvedNetwork;

  /**
   * Creates a counter for the network of a description. One with schedules, or with the code `ttfs`, needs its
   * `parameters`, for their numbers decide which steps cost products.
   *
   * Errors: ERR_ARG and ERR_SHAPE for a description that `Network.create` would refuse, and for parameters that are
   * missing or of another size.
   */
  constructor(description: NetworkDescription, parameters?: ReadonlyMap<string, Pick<FloatTensor, 'data'>>) {
    const network = resolveNetwork(description);
    this.network = network;
    this.coded = network.code === undefined ? null : new CodedCounter(network, network.code, parameters);
    const shapes = layerShapes(network);
    this.encoding = inputEncoding(network);
    this.input = routeOf(network, shapes, 0, network.input, parameters);
    this.hidden = shapes
      .filter((shape) => !isPool(shape.type) && !network.layers[shape.layer]!.output)
      .map((shape) => ({
        layer: shape.layer,
        neurons: shape.neurons,
        ...routeOf(network, shapes, shape.layer + 1, shape.out, parameters),
      }));
  }

  /**
   * Counts the images of one batch: pixels (N, C, H, W) and the `spikeTimes` of `forward(pixels, { trace: true })`, or
   * its `codes` where the network has a code.
   *
   * Errors: ERR_ARG, ERR_SHAPE for maps that are missing, of another size, or hold a time beyond T; then nothing of
   * the batch is counted.
   */
  add(pixels: Uint8Array, spikeTimes: SpikeTimeMaps): void {
    const [channels, height, width] = this.network.input;
    if (typeof spikeTimes !== 'object' || spikeTimes === null || typeof spikeTimes.get !== 'function')
      throw expected('a Map of spike times', 'spikeTimes', spikeTimes);
    if (this.coded !== null) return this.coded.add(pixels, spikeTimes);
    const image = channels * height * width;
    checkTypedArray(pixels, 'pixels', 'Uint8Array');
    const count = pixels.length / image;
    if (!Number.isInteger(count))
      throw expected(
        `a multiple of ${image} bytes (images of ${channels}x${height}x${width})`,
        'pixels',
        pixels,
        'ERR_SHAPE',
      );
    const counts = this.hidden.map(({ layer, neurons, fanOut: { table }, reach }) => {
      const name = layerName(layer);
      const times = spikeTimes.get(name);
      if (times === undefined) throw expected('spike times', name, times);
      if (times.length !== count * neurons)
        throw expected(`${count * neurons} spike times (${count} images)`, name, times, 'ERR_SHAPE');
      const counted = countMap(times, table, this.network.timesteps, name);
      for (let n = 0; n < count && reach !== null; n++)
        counted.scheduleMacs += reach.ofTimes(times, n * neurons, (n + 1) * neurons);
      return counted;
    });
    this.hidden.forEach((entry, i) => addCount(entry.count, counts[i]!));
    const { fanOut, reach } = this.input;
    const counted = countPixels(pixels, fanOut.table, this.encoding.events, channels);
    if (reach !== null) counted.scheduleMacs = this.inputScheduleMacs(reach, pixels, image);
    addCount(this.input.count, counted);
    this.images += count;
  }

  private inputScheduleMacs(reach: Reach, pixels: Uint8Array, image: number): number {
    const { analogSteps, random, events, sends } = this.encoding;
    const { timesteps } = this.network;
    const plane = image / this.network.input[0];
    let macs = 0;
    for (let start = 0; start < pixels.length; start += image) {
      const bytes = pixels.subarray(start, start + image);
      macs += reach.ofInput(image, (i, step) => {
        if (step <= analogSteps) return 1;
        const byte = bytes[i]!;
        const index = Math.floor(i / plane) * 256 + byte;
        return random ? events[index]! / timesteps : sends[byte * timesteps + step - 1]!;
      });
    }
    return macs;
  }

  /** @internal Returns the sums so far, as numbers that `addSums` takes, and begins anew. */
  take(): Float64Array {
    if (this.coded !== null) return this.coded.take();
    const sums = Float64Array.of(this.images, ...takeSums(this.maps(), SUMS));
    this.images = 0;
    return sums;
  }

  /** @internal Adds the sums of another counter for the same network. */
  addSums(sums: Float64Array): void {
    if (this.coded !== null) return this.coded.addSums(sums);
    this.images += sums[0]!;
    addSums(this.maps(), SUMS, sums.subarray(1));
  }

  private maps(): MapCount[] {
    return [this.input.count, ...this.hidden.map(({ count }) => count)];
  }

  /** Returns means per image over all batches so far. Errors: ERR_STATE if there was none. */
  counts(): OperationCounts {
    if (this.coded !== null) return this.coded.counts();
    if (this.images === 0) throw expected('at least one image', 'the operation counter', 0, 'ERR_STATE');
    const perImage = (sum: number): number => sum / this.images;
    const { timesteps, layers } = this.network;
    const incoming = new Map<LayerId, MapCount>([[this.input.fanOut.consumer, this.input.count]]);
    for (const {
      fanOut: { consumer },
      count,
    } of this.hidden)
      incoming.set(consumer, count);
    return {
      images: this.images,
      expectedInput: this.encoding.random,
      layers: layerShapes(this.network).flatMap((shape) => {
        if (isPool(shape.type)) return [];
        const from = incoming.get(shape.layer)!;
        const own = this.hidden.find((entry) => entry.layer === shape.layer)?.count;
        return [
          {
            layer: shape.layer,
            type: shape.type,
            neurons: shape.neurons,
            annMacs: shape.macs,
            macs: shape.layer === this.input.fanOut.consumer ? this.encoding.analogSteps * shape.macs : 0,
            scheduleMacs: perImage(from.scheduleMacs),
            accumulates: perImage(from.accumulates),
            events: perImage(from.events),
            spikes: layers[shape.layer]!.output ? 0 : perImage(own!.events),
            updates: layers[shape.layer]!.output ? timesteps * shape.neurons : perImage(own!.updates),
          },
        ];
      }),
    };
  }
}

/**
 * Counts the operations of one batch, per image; `OperationCounter` describes the arguments.
 *
 * Errors: ERR_ARG, ERR_SHAPE.
 */
export function countOperations(
  network: NetworkDescription,
  pixels: Uint8Array,
  spikeTimes: SpikeTimeMaps,
  parameters?: ReadonlyMap<string, Pick<FloatTensor, 'data'>>,
): OperationCounts {
  const counter = new OperationCounter(network, parameters);
  counter.add(pixels, spikeTimes);
  return counter.counts();
}

function routeOf(
  network: ResolvedNetwork,
  shapes: readonly LayerShape[],
  first: LayerId,
  map: MapShape,
  parameters: ReadonlyMap<string, Pick<FloatTensor, 'data'>> | undefined,
): Route {
  const events = fanOut(network, shapes, first, map);
  const count = { events: 0, accumulates: 0, updates: 0, scheduleMacs: 0 };
  if (!network.schedules) return { fanOut: events, reach: null, count };
  const { consumer } = events;
  const name = `${layerName(consumer)}.kappa`;
  const weights = parameters?.get(name)?.data;
  if (!(weights instanceof Float32Array)) throw expected('a Float32Array (a network with schedules)', name, weights);
  if (weights.length !== network.timesteps)
    throw expected(`${network.timesteps} numbers (one per time step)`, name, weights, 'ERR_SHAPE');
  return { fanOut: events, reach: new Reach(network, shapes, { first, consumer, map, weights }), count };
}

function countMap(times: ArrayLike<number>, table: Float64Array, timesteps: number, name: string): MapCount {
  const plane = table.length;
  let events = 0;
  let accumulates = 0;
  let steps = 0;
  for (let start = 0; start < times.length; start += plane) {
    for (let i = 0; i < plane; i++) {
      const time = times[start + i]!;
      if (time === 0) continue;
      if (!(time <= timesteps)) throw expected(`spike times from 0 to ${timesteps}`, name, time);
      events++;
      steps += time;
      accumulates += table[i]!;
    }
  }
  return { events, accumulates, updates: steps + (times.length - events) * timesteps, scheduleMacs: 0 };
}

function countPixels(pixels: Uint8Array, table: Float64Array, perByte: Float64Array, channels: number): MapCount {
  const plane = table.length;
  let events = 0;
  let accumulates = 0;
  for (let start = 0, channel = 0; start < pixels.length; start += plane, channel = (channel + 1) % channels) {
    for (let i = 0; i < plane; i++) {
      const spikes = perByte[channel * 256 + pixels[start + i]!]!;
      events += spikes;
      accumulates += spikes * table[i]!;
    }
  }
  return { events, accumulates, updates: 0, scheduleMacs: 0 };
}

function addCount(total: MapCount, more: MapCount): void {
  for (const key of SUMS) total[key] += more[key];
}
