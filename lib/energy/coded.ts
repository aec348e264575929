// Counts what a network with a code did on given images, from the bytes that its hidden layers sent.
import { checkTypedArray, expected } from '../check';
import { isPool, layerName, type LayerId } from '../model/layer';
import type { Code } from '../model/code/code';
import type { ResolvedNetwork } from '../model/description';
import type { FloatTensor } from '../model/parameters';
import { layerShapes, type LayerShape, type MapShape } from '../model/shapes';
import { inputEncoding } from '../native/encoding';
import { fanOut, type FanOut } from './fan-out';
import type { LayerOperations, OperationCounts } from '../model/network/operations';
import type { SpikeTimeMaps } from './operations';
import { Reach } from './reach';
import { addSums, takeSums } from './sums';

/** The parameters that say what a spike counts as. */
export type CodeNumbers = ReadonlyMap<string, Pick<FloatTensor, 'data'>>;

/** What a map sends to the layer that reads it, summed over all images. */
interface Sent {
  spikes: number;
  accumulates: number;
  products: number;
  updates: number;
}

const SUMS = ['spikes', 'accumulates', 'products', 'updates'] as const satisfies readonly (keyof Sent)[];

/** A map on its way: through maximum pools, then to the layer that accumulates it. */
interface CodedRoute {
  map: MapShape;
  pools: number[];
  fanOut: FanOut;
  /** What counts the products of a step; null for codes whose spikes are worth powers of two. */
  reach: Reach | null;
  sent: Sent;
}

/**
 * Adds up operations batch by batch. Spikes that arrive in one step share their value: they cost an accumulate per
 * target, and every neuron that received any in the step multiplies once, but for powers of two. The sum of `radix`
 * doubles from bit to bit, which is a shift.
 */
export class CodedCounter {
  private images = 0;
  private readonly shapes: LayerShape[];
  private readonly input: CodedRoute;
  private readonly integers: Uint8Array | null;
  private readonly hidden: (CodedRoute & { layer: LayerId; neurons: number })[];

  constructor(
    private readonly network: ResolvedNetwork,
    private readonly code: Code,
    parameters: CodeNumbers | undefined,
  ) {
    this.shapes = layerShapes(network);
    this.input = this.route(0, network.input, null);
    this.integers = pixelIntegers(network, code);
    this.hidden = this.shapes
      .filter((shape) => !isPool(shape.type) && !network.layers[shape.layer]!.output)
      .map((shape) => ({
        layer: shape.layer,
        neurons: shape.neurons,
        ...this.route(shape.layer + 1, shape.out, stepValues(code, shape.layer, parameters)),
      }));
  }

  add(pixels: Uint8Array, codes: SpikeTimeMaps): void {
    checkTypedArray(pixels, 'pixels', 'Uint8Array');
    const image = this.network.input.reduce((product, side) => product * side, 1);
    const count = pixels.length / image;
    if (!Number.isInteger(count)) throw expected(`a multiple of ${image} bytes`, 'pixels', pixels, 'ERR_SHAPE');
    const most = this.levels();
    const maps = this.hidden.map(({ layer, neurons }) => {
      const name = layerName(layer);
      const bytes = codes.get(name);
      if (bytes === undefined) throw expected('codes', name, bytes);
      if (bytes.length !== count * neurons)
        throw expected(`${count * neurons} codes (${count} images)`, name, bytes, 'ERR_SHAPE');
      for (let i = 0; i < bytes.length; i++)
        if (!(bytes[i]! <= most)) throw expected(`codes from 0 to ${most}`, name, bytes[i]);
      return bytes;
    });
    this.hidden.forEach((route, i) => this.count(route, maps[i]!));
    const { input, integers } = this;
    if (integers !== null)
      this.count(
        input,
        pixels.map((byte) => integers[byte]!),
      );
    this.images += count;
  }

  /** These two as of `OperationCounter`. */
  take(): Float64Array {
    const sums = Float64Array.of(this.images, ...takeSums(this.sent(), SUMS));
    this.images = 0;
    return sums;
  }

  addSums(sums: Float64Array): void {
    this.images += sums[0]!;
    addSums(this.sent(), SUMS, sums.subarray(1));
  }

  private sent(): Sent[] {
    return [this.input, ...this.hidden].map(({ sent }) => sent);
  }

  counts(): OperationCounts {
    if (this.images === 0) throw expected('at least one image', 'the operation counter', 0, 'ERR_STATE');
    const incoming = new Map([this.input, ...this.hidden].map(({ fanOut, sent }) => [fanOut.consumer, sent]));
    const own = new Map(this.hidden.map(({ layer, sent }) => [layer, sent]));
    const analog = this.code.kind === 'radix' ? -1 : this.input.fanOut.consumer;
    const layers = this.shapes.flatMap((shape): LayerOperations[] => {
      if (isPool(shape.type)) return [];
      const from = incoming.get(shape.layer)!;
      const mine = own.get(shape.layer);
      const perImage = (sum: number): number => sum / this.images;
      return [
        {
          layer: shape.layer,
          type: shape.type,
          neurons: shape.neurons,
          annMacs: shape.macs,
          macs: shape.layer === analog ? shape.macs : 0,
          scheduleMacs: perImage(from.products),
          accumulates: perImage(from.accumulates),
          events: perImage(from.spikes),
          spikes: perImage(mine?.spikes ?? 0),
          updates: mine === undefined ? this.outputUpdates() * shape.neurons : perImage(mine.updates),
        },
      ];
    });
    return { images: this.images, expectedInput: false, layers };
  }

  /** The largest byte of a trace. */
  private levels(): number {
    switch (this.code.kind) {
      case 'ttfs':
        return this.code.window + 1;
      case 'radix':
        return 2 ** this.code.bits - 1;
      case 'one-spike-phase':
        return this.code.period;
    }
  }

  private outputUpdates(): number {
    return this.code.kind === 'radix' ? this.code.bits : 1;
  }

  private route(first: LayerId, map: MapShape, weights: Float32Array | null): CodedRoute {
    const { network, shapes } = this;
    const pools: number[] = [];
    let reader = first;
    let pooled = map;
    for (; network.layers[reader]?.type === 'maxpool'; reader++) {
      pools.push(network.layers[reader]!.kernel);
      pooled = shapes[reader]!.out;
    }
    const to = fanOut(network, shapes, reader, pooled);
    const reach =
      weights === null
        ? null
        : new Reach(network, shapes, { first: reader, consumer: to.consumer, map: pooled, weights });
    return { map, pools, fanOut: to, reach, sent: { spikes: 0, accumulates: 0, products: 0, updates: 0 } };
  }

  private count({ map, pools, fanOut: { table }, reach, sent }: CodedRoute, bytes: ArrayLike<number>): void {
    const { code } = this;
    const radix = code.kind === 'radix';
    const steps = this.levels();
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      sent.spikes += radix ? ones(byte) : Number(byte > 0);
      // A window is watched until the spike, or to its end.
      sent.updates += radix ? code.bits : byte > 0 ? byte : steps;
    }
    const received = throughMaxPools(bytes, map, pools, radix);
    for (let i = 0; i < received.length; i++) {
      const byte = received[i]!;
      if (byte > 0) sent.accumulates += (radix ? ones(byte) : 1) * table[i % table.length]!;
    }
    if (reach === null) return;
    const size = map[0] * table.length;
    for (let start = 0; start < received.length; start += size)
      sent.products += reach.ofTimes(received, start, start + size);
  }
}

/** What the spikes of a layer count as, by step; null where that is a shift. */
function stepValues(code: Code, layer: LayerId, parameters: CodeNumbers | undefined): Float32Array | null {
  if (code.kind === 'radix') return null;
  if (code.kind === 'one-spike-phase')
    return Float32Array.from({ length: code.period }, (_, step) => code.base ** -step);
  const number = (of: string): number => {
    const name = `${layerName(layer)}.${of}`;
    const data = parameters?.get(name)?.data;
    if (!(data instanceof Float32Array) || data.length !== 1)
      throw expected('a Float32Array of one number (a network with the code ttfs)', name, data);
    return data[0]!;
  };
  const [constant, delay] = [number('time_constant'), number('delay')];
  return Float32Array.from({ length: code.window + 1 }, (_, step) => Math.exp((delay - step) / constant));
}

/** The integer that a pixel of each byte sends, as its bits step by step; null for codes whose pixels are analog. */
function pixelIntegers(network: ResolvedNetwork, code: Code): Uint8Array | null {
  if (code.kind !== 'radix') return null;
  const { bits } = code;
  const { sends } = inputEncoding({ ...network, encoder: 'radix', timesteps: bits });
  return Uint8Array.from({ length: 256 }, (_, byte) =>
    sends.subarray(byte * bits, (byte + 1) * bits).reduce((integer, bit) => 2 * integer + bit, 0),
  );
}

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}

/** The largest integer of every window, or the earliest spike, pool after pool. */
function throughMaxPools(
  bytes: ArrayLike<number>,
  [channels, height, width]: MapShape,
  pools: readonly number[],
  largest: boolean,
): ArrayLike<number> {
  const [kernel, ...others] = pools;
  if (kernel === undefined) return bytes;
  const planes = bytes.length / (height * width);
  const out: MapShape = [channels, Math.floor(height / kernel), Math.floor(width / kernel)];
  const pooled = new Uint8Array(planes * out[1] * out[2]);
  let at = 0;
  for (let plane = 0; plane < planes; plane++)
    for (let y = 0; y < out[1]; y++)
      for (let x = 0; x < out[2]; x++) {
        let best = 0;
        for (let i = 0; i < kernel * kernel; i++) {
          const row = (plane * height + y * kernel + Math.floor(i / kernel)) * width;
          const byte = bytes[row + x * kernel + (i % kernel)]!;
          if (byte > 0 && (best === 0 || (largest ? byte > best : byte < best))) best = byte;
        }
        pooled[at++] = best;
      }
  return throughMaxPools(pooled, out, others, largest);
}
