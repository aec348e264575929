// The shards of a run (docs/MATHEMATICS.md, "Shards and ranks"): image i of those that are trained on belongs to shard
// i mod `shards`. Each shard has an order of its own, and a batch takes its share of each.
import type { BatchShards } from '../../model/network/inputs';
import type { Phase } from '../run/events';
import type { Ranks } from '../loop/ranks';
import { joinRows, shardOrder } from './order';

/** The shards that this rank computes. */
export interface Shards {
  /** The numbers of images of all shards of the run. */
  sizes: readonly number[];
  /** The number of the first own shard, and the images of each own one: rows of the images that this rank holds. */
  first: number;
  rows: readonly Uint32Array[];
}

/** Divides the rows that are trained on; the rows of this rank remain those of `rows`. */
export function divide(rows: Uint32Array, shards: number, ranks: Pick<Ranks, 'rank' | 'size'> | null): Shards {
  const { rank, size: parts } = ranks ?? { rank: 0, size: 1 };
  const first = Math.floor((shards * rank) / parts);
  const end = Math.floor((shards * (rank + 1)) / parts);
  const sizes = Array.from({ length: shards }, (_, shard) => Math.ceil((rows.length - shard) / shards));
  const own = sizes.slice(first, end).map((size, i) => {
    const shard = first + i;
    return Uint32Array.from({ length: size }, (_, place) => rows[shard + place * shards]!);
  });
  return { sizes, first, rows: own };
}

/** What this rank computes of each step of an epoch, whose batches have `size` images. */
export function shardBatches(
  { sizes, first, rows }: Shards,
  size: number,
  { seed, phase, epoch }: { seed: number; phase: Phase; epoch: number },
): (step: number) => { indices: Uint32Array; shards: BatchShards } {
  const share = size / sizes.length;
  const orders = rows.map((own, i) => shardOrder(own, seed, phase, epoch, first + i));
  return (step) => {
    const counts = sizes.map((images) => Math.max(0, Math.min(share, images - step * share)));
    const sum = (list: readonly number[]): number => list.reduce((all, count) => all + count, 0);
    return {
      indices: joinRows(orders.map((order) => order.subarray(step * share, (step + 1) * share))),
      shards: {
        counts: counts.slice(first, first + rows.length),
        first: sum(counts.slice(0, first)),
        images: sum(counts),
      },
    };
  };
}
