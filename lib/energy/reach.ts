// How many neurons receive anything in a time step: each of them multiplies what arrived by the weight of the step.
import type { ResolvedNetwork } from '../model/description';
import type { LayerId } from '../model/layer';
import { convolvedSide, pooledWindow, type LayerShape, type MapShape } from '../model/shapes';

/** Where a step's events of one map arrive: border-aware, through pools and at any stride, as `fanOut` counts them. */
export class Reach {
  /** The pooled cell of every position of the map; -1 where a pool drops it. */
  readonly #cells: Int32Array;
  readonly #out: number;
  readonly #rows: Window[];
  readonly #columns: Window[];
  readonly #width: number;
  readonly #size: number;
  /** The steps, from 1, whose weight is no power of two: such a product is a shift. */
  readonly #steps: readonly number[];

  /**
   * Events of a map of shape [C, H, W] whose reader is layer `first` of the list; `consumer` is the layer that
   * accumulates them, and `weights` (T) are those of its steps.
   */
  constructor(
    network: ResolvedNetwork,
    shapes: readonly LayerShape[],
    { first, consumer, map, weights }: { first: LayerId; consumer: LayerId; map: MapShape; weights: Float32Array },
  ) {
    const layer = network.layers[consumer]!;
    const [, height, width] = shapes[consumer]!.in;
    const pool = network.layers.slice(first, consumer).map(({ kernel }) => kernel);
    const pooled = (position: number): number => pool.reduce((p, kernel) => Math.floor(p / kernel), position);
    this.#cells = Int32Array.from({ length: map[1] * map[2] }, (_, position) => {
      const y = pooled(Math.floor(position / map[2]));
      const x = pooled(position % map[2]);
      return y < height && x < width ? y * width + x : -1;
    });
    const { kernel, stride } = pooledWindow(layer);
    const windows = (side: number): Window[] =>
      layer.type === 'conv' ? windowsOf(side, kernel, stride, layer.padding) : [{ from: 0, to: side }];
    this.#rows = windows(height);
    this.#columns = windows(width);
    this.#width = width;
    this.#size = height * width;
    this.#out = layer.out;
    this.#steps = [...weights.keys()].map((t) => t + 1).filter((t) => !isPowerOfTwo(weights[t - 1]!));
  }

  /**
   * The products of one image: `times` holds its spike times, one plane after the other from `start` to `end`, 0 =
   * never.
   */
  ofTimes(times: ArrayLike<number>, start: number, end: number): number {
    if (this.#steps.length === 0) return 0;
    const silent = new Map(this.#steps.map((t) => [t, new Float64Array(this.#size).fill(1)]));
    for (let i = start; i < end; i++) {
      const cell = this.#cells[(i - start) % this.#cells.length]!;
      const step = cell < 0 ? undefined : silent.get(times[i]!);
      if (step !== undefined) step[cell] = 0;
    }
    return [...silent.values()].reduce((sum, cells) => sum + this.#reached(cells), 0);
  }

  /**
   * The expected products of one image of `values` pixel values, which send something at a step with these
   * probabilities.
   */
  ofInput(values: number, probability: (index: number, step: number) => number): number {
    let products = 0;
    for (const step of this.#steps) {
      const silent = new Float64Array(this.#size).fill(1);
      for (let i = 0; i < values; i++) {
        const cell = this.#cells[i % this.#cells.length]!;
        if (cell >= 0) silent[cell]! *= 1 - probability(i, step);
      }
      products += this.#reached(silent);
    }
    return products;
  }

  /** The expected number of neurons that receive anything, from the probability of every cell to send nothing. */
  #reached(silent: Float64Array): number {
    let positions = 0;
    for (const rows of this.#rows)
      for (const columns of this.#columns) {
        let none = 1;
        for (let y = rows.from; y < rows.to && none > 0; y++)
          for (let x = columns.from; x < columns.to && none > 0; x++) none *= silent[y * this.#width + x]!;
        positions += 1 - none;
      }
    return positions * this.#out;
  }
}

interface Window {
  from: number;
  to: number;
}

function windowsOf(side: number, kernel: number, stride: number, padding: number): Window[] {
  return Array.from({ length: convolvedSide(side, kernel, stride, padding) }, (_, o) => {
    const from = o * stride - padding;
    return { from: Math.max(0, from), to: Math.min(side, from + kernel) };
  });
}

/** Whether a positive 32-bit float has no digits behind its leading one. */
function isPowerOfTwo(value: number): boolean {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  return (bits! & 0x7fffff) === 0;
}
