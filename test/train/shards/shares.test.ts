// Evaluation and energy divided among ranks: each computes its share, and all of them report the numbers of one
// process, to the bit. The ranks are stand-ins in this process, each with a network of its own.
import { Network } from '../../../lib';
import { loadDataset } from '../../../lib/data';
import { resolveConfig } from '../../../lib/train/config/config';
import { measureEnergy } from '../../../lib/train/loop/energy';
import { evaluateRows, evaluateShares, type Evaluation } from '../../../lib/train/loop/evaluate';
import { networkOf } from '../../../lib/train/loop/model';
import { ownPieces, type Sharing } from '../../../lib/train/loop/shares';
import { placeImages, type RunImages } from '../../../lib/train/rows/images';
import { SpikeTimeCounter } from '../../../lib/train/test/spike-times';
import type { Ranks } from '../../../lib/train/loop/ranks';
import { tinyConfig } from '../../helpers/command-line';
import { onEveryRank } from '../../helpers/ranks';

const config = resolveConfig({
  ...structuredClone(tinyConfig),
  model: { ...tinyConfig.model, encoder: 'rate' },
  dataset: { name: 'shapes', trainCount: 80, testCount: 43, size: 16, validation: 0.25 },
  shards: 8,
  evaluation: { batch: 6 },
} as never);
const create = async (): Promise<Network> =>
  Network.create(networkOf(config.model, await loadDataset('shapes', { trainCount: 80, testCount: 43, size: 16 })), {
    backend: 'cpu',
    threads: 1,
    seed: 3,
  });
const loaded = loadDataset('shapes', { trainCount: 80, testCount: 43, size: 16 });

async function withImages<T>(ranks: Sharing | null, work: (images: RunImages) => Promise<T>): Promise<T> {
  const images = placeImages(await loaded, config, ranks as Ranks | null);
  try {
    return await work(images);
  } finally {
    images.dispose();
  }
}

async function last(stream: AsyncIterable<Evaluation>): Promise<{ totals: Evaluation; logits: number[] }> {
  let totals: Evaluation | undefined;
  const logits: number[] = [];
  for await (const each of stream) {
    totals = { ...each, seconds: 0, cpuSeconds: 0 };
    logits.push(...each.logits!);
    delete totals.logits;
  }
  return { totals: totals!, logits };
}

test('the pieces of ranks are all pieces', () => {
  expect(ownPieces(5, null)).toEqual([0, 1, 2, 3, 4]);
  expect([0, 1, 2].map((rank) => ownPieces(5, { rank, size: 3 }))).toEqual([[0, 3], [1, 4], [2]]);
  expect([0, 1].map((rank) => ownPieces(1, { rank, size: 2 }))).toEqual([[0], []]);
});

describe.each([2, 3, 4, 8])('%i ranks', (size) => {
  test('hold a share of what is evaluated each', async () => {
    const held = await onEveryRank(size, (ranks) =>
      withImages(ranks, async ({ test, validation }) => [test, validation].map(({ indices }) => indices.length)),
    );
    for (const [part, total] of [
      [0, 43],
      [1, 20],
    ] as const) {
      const counts = held.map((of) => of[part]!);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(total);
      expect(Math.max(...counts)).toBeLessThanOrEqual(6 * Math.ceil(Math.ceil(total / 6) / size));
    }
  });

  test.each([
    ['test', 'ann'],
    ['test', 'snn'],
    ['validation', 'snn'],
  ] as const)('report the %s results of one process in mode %s', async (part, mode) => {
    const options = { mode, batch: 6, logits: true };
    const one = await withImages(null, async (images) =>
      last(evaluateRows(await create(), images[part].dataset, images[part].indices, options)),
    );
    const all = await onEveryRank(size, (ranks) =>
      withImages(ranks, async (images) =>
        last(evaluateShares(await create(), images[part], images.rows[part].length, ranks, options)),
      ),
    );
    expect(one.totals.count).toBe(part === 'test' ? 43 : 20);
    for (const each of all) expect(each).toEqual(one);
  });

  test('measure the energy and the spike times of one process', async () => {
    const { test: set } = await loaded;
    const measured = async (sharing: Sharing | null): Promise<unknown> => {
      const network = await create();
      const counter = new SpikeTimeCounter(network);
      const onTrace: SpikeTimeCounter['add'] = (times, images) => counter.add(times, images);
      const report = await measureEnergy(network, set, { images: 40, batch: 6, sharing, onTrace });
      if (sharing !== null) await counter.join(sharing);
      return { report, times: counter.times };
    };
    const one = await measured(null);
    for (const each of await onEveryRank(size, measured)) expect(each).toEqual(one);
  });
});
