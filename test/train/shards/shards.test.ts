// Runs whose batches are divided into shards: what a shard is, the same model after an interruption, and what is
// refused.
import { join } from 'node:path';
import type { TrainConfigInput } from '../../../lib/train/config/config';
import { resolveConfig } from '../../../lib/train/config/config';
import { divide, shardBatches } from '../../../lib/train/rows/shards';
import { resume, train } from '../../../lib/train/loop/train';
import type { TrainEvent } from '../../../lib/train/run/events';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect, leaveIn, modelBytes, normalisedLayers } from '../../helpers/runs';

const folder = temporaryFolder();
/** Random numbers wherever training draws some, normalisation, and a last batch of 4 images. */
const configured = (name: string, change: object = {}): TrainConfigInput =>
  ({
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers: normalisedLayers },
    ann: { ...tinyConfig.ann, augment: { padding: 2, flip: true, mixup: 0.2 } },
    ...change,
    out: join(folder, name),
  }) as unknown as TrainConfigInput;
const model = (name: string): string => modelBytes(join(folder, name));

describe('the images of a run in shards', () => {
  const rows = Uint32Array.from({ length: 45 }, (_, i) => 3 * i);
  const place = { seed: 5, phase: 'ann', epoch: 2 } as const;
  const ranks = (rank: number, size: number): Parameters<typeof divide>[2] => ({ rank, size });

  test('image i belongs to shard i mod shards', () => {
    const { sizes, first, rows: own } = divide(rows, 4, null);
    expect([sizes, first]).toEqual([[12, 11, 11, 11], 0]);
    own.forEach((of, shard) => expect([...of]).toEqual([...rows].filter((_, i) => i % 4 === shard)));
  });

  test('a batch takes its share of each, and an epoch every image once', () => {
    const batchAt = shardBatches(divide(rows, 4, null), 8, place);
    const steps = Array.from({ length: 6 }, (_, step) => batchAt(step));
    expect(steps.map(({ shards }) => shards)).toEqual([
      ...Array.from({ length: 5 }, () => ({ counts: [2, 2, 2, 2], first: 0, images: 8 })),
      { counts: [2, 1, 1, 1], first: 0, images: 5 },
    ]);
    const seen = steps.flatMap(({ indices }) => [...indices]);
    expect(seen).not.toEqual([...rows]);
    expect(seen.sort((a, b) => a - b)).toEqual([...rows]);
  });

  test('the parts of ranks are the whole, whatever their number', () => {
    const whole = shardBatches(divide(rows, 8, null), 16, place);
    for (const size of [2, 3, 8]) {
      for (let step = 0; step < 3; step++) {
        let first = 0;
        const indices: number[] = [];
        const counts: number[] = [];
        for (let rank = 0; rank < size; rank++) {
          const part = shardBatches(divide(rows, 8, ranks(rank, size)), 16, place)(step);
          expect(part.shards).toMatchObject({ first, images: whole(step).shards.images });
          first += part.indices.length;
          indices.push(...part.indices);
          counts.push(...part.shards.counts);
        }
        expect({ indices, counts }).toEqual({ indices: [...whole(step).indices], counts: whole(step).shards.counts });
      }
    }
  });

  test('each epoch and each shard has an order of its own', () => {
    const same = Uint32Array.from({ length: 24 }, () => 0).map((_, i) => i >> 1);
    const orderOf = (epoch: number): string[] => {
      const { indices } = shardBatches(divide(same, 2, null), 24, { ...place, epoch })(0);
      return [indices.slice(0, 12), indices.slice(12)].map(String);
    };
    expect(new Set([...orderOf(0), ...orderOf(1)]).size).toBe(4);
  });
});

describe.each([1, 2, 4])('%i shards', (shards) => {
  const name = (what: string): string => `${what} ${shards}`;
  let events: TrainEvent[];
  beforeAll(async () => {
    events = await collect(train(configured(name('whole'), { shards, threads: 1 })));
  });

  test('the start event names ranks, shards and the instruction set', () => {
    expect(events[0]).toMatchObject({ event: 'start', ranks: 1, shards, instructionSet: expect.any(String) });
    expect(events.at(-1)!.event).toBe('done');
  });

  test.each(['ann', 'snn'] as const)(
    'an interruption in phase %s leaves no trace, nor does another thread',
    async (phase) => {
      await leaveIn(train(configured(name(phase), { shards, threads: 2 }), { progressSeconds: 0 }), phase);
      await collect(resume(join(folder, name(phase))));
      expect(model(name(phase))).toBe(model(name('whole')));
    },
  );
});

test('no shards are the default, and another order', async () => {
  expect(resolveConfig(configured('none')).shards).toBeNull();
  const [start] = await collect(train(configured('none', { binary: { epochs: 1, batch: 16 } })));
  expect(start).toMatchObject({ ranks: 1, shards: null });
  expect(model('none')).not.toBe(model('whole 1'));
});

test('the model of 1, 2 and 4 shards is another', () => {
  expect(new Set([1, 2, 4].map((shards) => model(`whole ${shards}`))).size).toBe(3);
});

test.each([
  [{ shards: 3 }, 'Expected null, or a power of two from 1 to 1024 for shards but received 3'],
  [{ shards: 0 }, 'for shards but received 0'],
  [{ shards: 2048 }, 'for shards but received 2048'],
  [{ shards: '8' }, "for shards but received '8'"],
  [{ shards: 32 }, 'Expected a multiple of 32 (the number of shards) for ann.batch but received 16'],
  [{ shards: 2, minutes: 1 }, 'Expected null (minutes chooses the batch) for shards but received 2'],
])('%j is refused', async (change, message) => {
  await expect(collect(train(configured('refused', change)))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining(message),
  });
});

test('so are more shards than images', async () => {
  const change = { shards: 16, dataset: { name: 'shapes', trainCount: 10, testCount: 10, validation: 0 } };
  await expect(collect(train(configured('few', change)))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: 'Expected at most 10 (one for each image that is trained on) for shards but received 16',
  });
});

test('shards stay those that a run was started with', async () => {
  await expect(collect(resume(join(folder, 'whole 2'), { changes: { shards: 4 } }))).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining("received 'shards'"),
  });
});
