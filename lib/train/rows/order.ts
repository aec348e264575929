// Which images a step sees. Everything derives from (seed, phase, epoch), so a resumed run needs no state to continue
// with the same batches.
import { SeededRandom } from '../../data/random';
import type { Phase } from '../run/events';

// Stream words that keep the generators of different purposes apart.
const streams = {
  ann: 0x616e6e,
  binary: 0x62696e,
  snn: 0x736e6e,
  augment: 0x617567,
  calibration: 0x63616c,
  shard: 0x736861,
} as const;

/** A permutation of `indices` for one epoch (0-based) of a phase. */
export function epochOrder(indices: Uint32Array, seed: number, phase: Phase, epoch: number): Uint32Array {
  return new SeededRandom(seed, streams[phase], epoch).shuffle(Uint32Array.from(indices));
}

/** A permutation of the images of a shard for one epoch (0-based) of a phase. */
export function shardOrder(
  indices: Uint32Array,
  seed: number,
  phase: Phase,
  epoch: number,
  shard: number,
): Uint32Array {
  return new SeededRandom(seed, streams[phase], epoch, streams.shard, shard).shuffle(Uint32Array.from(indices));
}

/** Seed (below 2^53) of the augmentation of a phase; native code adds the step and the place in the batch. */
export function augmentSeed(seed: number, phase: Phase): number {
  const random = new SeededRandom(seed, streams.augment, streams[phase]);
  return random.next() * 2 ** 21 + (random.next() >>> 11);
}

/** `count` of the training images, at random, for setting thresholds. */
export function calibrationIndices(indices: Uint32Array, seed: number, count: number): Uint32Array {
  return new SeededRandom(seed, streams.calibration).shuffle(Uint32Array.from(indices)).slice(0, count);
}

/** Batch number `step` of a list of rows, `size` long (the last one holds what is left). */
export function batchRows(order: Uint32Array, step: number, size: number): Uint32Array {
  return order.slice(step * size, (step + 1) * size);
}

export function batchCount(rows: number, size: number): number {
  return Math.ceil(rows / size);
}

/** Lists of rows, one after the other. */
export function joinRows(lists: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}

/** 0..count-1. */
export function allRows(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}
