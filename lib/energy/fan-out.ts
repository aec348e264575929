// How many accumulates one event causes: exact at borders, through pools and at any stride.
import type { ResolvedNetwork } from '../model/description';
import { isPool, type LayerId } from '../model/layer';
import { pooledWindow, sideFanOut, type LayerShape, type MapShape } from '../model/shapes';

/** Where the events of one map go. */
export interface FanOut {
  /** The layer that accumulates them. */
  consumer: LayerId;
  /** Accumulates per event at (y, x), row by row; the same for every channel. 0 where a pool drops the pixel. */
  table: Float64Array;
}

/**
 * Fan-out of the events of a map of shape [C, H, W] whose reader is layer `first` of the list: average pools hand an
 * event on to the pooled pixel (scaled, but as an event of its own), the next weighted layer accumulates it.
 * A convolution reads it in as many windows as cover it, padding excluded, a linear layer once per unit.
 */
export function fanOut(network: ResolvedNetwork, shapes: readonly LayerShape[], first: LayerId, map: MapShape): FanOut {
  let consumer = first;
  while (isPool(network.layers[consumer]!.type)) consumer++;
  const layer = network.layers[consumer]!;
  const [, height, width] = shapes[consumer]!.in;
  const { kernel, stride } = pooledWindow(layer);
  const windows = (side: number): Float64Array =>
    layer.type === 'conv' ? sideFanOut(side, kernel, stride, layer.padding) : new Float64Array(side).fill(1);
  const pools = network.layers.slice(first, consumer).map((between) => between.kernel);
  const rows = throughPools(map[1], pools, windows(height));
  const columns = throughPools(map[2], pools, windows(width));
  const table = new Float64Array(map[1] * map[2]);
  rows.forEach((row, y) => columns.forEach((column, x) => (table[y * map[2] + x] = row * column * layer.out)));
  return { consumer, table };
}

// Position p of a side lands on floor(p / kernel) of the pooled one, or nowhere if it is part of the remainder.
function throughPools(side: number, pools: readonly number[], pooled: Float64Array): Float64Array {
  return Float64Array.from(
    { length: side },
    (_, position) => pooled[pools.reduce((p, kernel) => Math.floor(p / kernel), position)] ?? 0,
  );
}
