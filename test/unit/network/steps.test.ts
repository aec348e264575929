// Network.trainSteps: several steps in one call give what they give one by one.
import { createDataset } from '../../../lib/native/dataset';
import type { Network, TrainStep } from '../../../lib/model/network';
import { onEachBackend } from '../../helpers/backends';
import { heavy, labels, outcome, pixels, sgd, tiny, TINY_CLASSES as K, TINY_PIXELS } from '../../lifecycle/helpers';
import { networksOn } from './networks';

const noisy = {
  ...tiny,
  layers: tiny.layers.map((layer) => (layer.type === 'conv' ? { ...layer, threshold: 0.2, dropout: 0.3 } : layer)),
};

onEachBackend((on) => {
  const { create: createAny } = networksOn(on);
  const create = (description = noisy): Promise<Network> => createAny(description);
  const timeless = { seconds: expect.any(Number) };
  const optimizerAt = (i: number) => ({ kind: 'adam' as const, learningRate: 0.01 / (i + 1), amsgrad: true });

  async function oneByOne(network: Network, steps: TrainStep[]): Promise<object[]> {
    const all: object[] = [];
    for (const { batch, optimizer } of steps)
      all.push({ ...(await network.trainStep(batch, { optimizer })), ...timeless });
    return all;
  }

  test('as many as are worth a call', async () => {
    const { stepsAtOnce } = await create();
    if (on.backend === 'cpu') expect(stepsAtOnce).toBe(1);
    else expect(stepsAtOnce).toBeGreaterThan(1);
  });

  test('pixels and rows of a data set in turns, each with its own rate: the results and the bits of single steps', async () => {
    const [a, b] = [await create(), await create()];
    const dataset = createDataset(pixels(20, TINY_PIXELS), labels(20, K), [2, 4, 4]);
    const rows = (i: number, count: number) => ({
      dataset,
      indices: Uint32Array.from({ length: count }, (_, n) => (7 * n + i) % 20),
      augment: { padding: 1, flip: true, seed: 3, step: i },
    });
    const steps = Array.from({ length: 9 }, (_, i) => ({
      batch:
        i % 3 === 1
          ? { pixels: pixels(3, TINY_PIXELS).map((value) => value ^ i), labels: labels(3, K) }
          : rows(i, i === 8 ? 2 : 6),
      optimizer: optimizerAt(i),
    }));
    for (let round = 0; round < 3; round++) {
      expect(await a.trainSteps(steps, { next: rows(0, 6) })).toEqual(await oneByOne(b, steps));
      expect(await a.parameters()).toEqual(await b.parameters());
      expect(await a.optimizerState()).toEqual(await b.optimizerState());
      expect(a.counters()).toEqual({ optimizerSteps: 9 * (round + 1), randomStep: 9 * (round + 1), activity: 0 });
    }
    dataset.dispose();
  });

  test('a step that is not finite is the last, and changes nothing', async () => {
    const [a, b] = [await create(), await create()];
    const batch = { pixels: pixels(4, TINY_PIXELS), labels: labels(4, K) };
    const steps = [1e-3, 3e38, 1e-3, 1e-3].map((learningRate) => ({
      batch,
      optimizer: { kind: 'sgd' as const, learningRate },
    }));
    const made = await a.trainSteps(steps, { mode: 'ann' });
    const alone = [];
    for (const { optimizer } of steps.slice(0, 3))
      alone.push({ ...(await b.trainStep(batch, { optimizer, mode: 'ann' })), ...timeless });
    expect(made.map(({ badLayer }) => badLayer !== null)).toEqual([false, false, true]);
    expect(made).toEqual(alone);
    expect(await a.parameters()).toEqual(await b.parameters());
    expect(a.counters()).toEqual(b.counters());
  });

  test('a signal during the work: the steps that were completed, and no part of another', async () => {
    const [a, b] = [await create({ ...heavy }), await create({ ...heavy })];
    const batch = { pixels: pixels(8, 3 * 32 * 32), labels: labels(8, 10) };
    const steps = Array.from({ length: 100 }, () => ({ batch, optimizer: sgd }));
    let made: object[] = [];
    for (let milliseconds = 5; made.length === 0; milliseconds *= 2) {
      expect(milliseconds).toBeLessThan(20_000); // where others use the machine, a step may take a second
      const controller = new AbortController();
      setTimeout(() => controller.abort(), milliseconds);
      made = await a.trainSteps(steps, { signal: controller.signal }).catch(() => []);
    }
    // A GPU may have made them all by then.
    if (on.backend === 'cpu') expect(made.length).toBeLessThan(steps.length);
    expect(a.counters().optimizerSteps).toBe(made.length);
    expect(made).toEqual(await oneByOne(b, steps.slice(0, made.length)));
    expect(await a.parameters()).toEqual(await b.parameters());
  });

  test('a signal before the first rejects', async () => {
    const network = await create();
    const step = { batch: { pixels: pixels(1, TINY_PIXELS), labels: labels(1, K) }, optimizer: sgd };
    expect(await outcome(() => network.trainSteps([step], { signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');
    expect(network.counters().optimizerSteps).toBe(0);
  });

  test.each([
    [undefined, /a list of 1 to 1024 steps { batch, optimizer } for steps/],
    [[], /a list of 1 to 1024 steps/],
    [
      [{ batch: { pixels: pixels(1, TINY_PIXELS), labels: [0] } }],
      /kind, learningRate, ... } for steps\[0\].optimizer but received undefined/,
    ],
    [
      [
        { optimizer: sgd, batch: { pixels: pixels(1, TINY_PIXELS), labels: [0] } },
        { optimizer: sgd, batch: { pixels: pixels(1, TINY_PIXELS), labels: [K] } },
      ],
      /for steps\[1\].batch.labels\[0\]/,
    ],
    [
      [{ optimizer: { ...sgd, momentum: 1 }, batch: { pixels: pixels(1, TINY_PIXELS), labels: [0] } }],
      /for steps\[0\].optimizer.momentum/,
    ],
    [[{ optimizer: sgd, bach: 1 }], /did you mean 'batch'/],
    [[, { optimizer: sgd }], /steps\[0\]/],
  ])('wrong steps %#', async (steps, text) => {
    const network = await create();
    await expect(network.trainSteps(steps as never)).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(text),
    });
    expect(network.counters().optimizerSteps).toBe(0);
  });
});
