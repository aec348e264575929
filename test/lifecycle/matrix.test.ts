// Every method in every state: what a network may do while a job runs, after an abort, and after its disposal.
import { createDataset, type NativeDataset } from '../../lib/native/dataset';
import { liveHandles } from '../../lib/native/addon';
import { Network } from '../../lib/model/network';
import { onEachBackend } from '../helpers/backends';
import { heavy, heavyBatch, labels, outcome, pixels, running, sgd, tiny, TINY_CLASSES, TINY_PIXELS } from './helpers';

type Method = [name: string, call: (network: Network) => unknown];

const batchOf = (network: Network): { pixels: Uint8Array; labels: Int32Array } => {
  const [c, h, w] = network.description.input;
  return { pixels: pixels(2, c * h * w), labels: labels(2, network.layers.at(-1)!.neurons) };
};

const bytes = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer);

const jobs: Method[] = [
  ['forward', (n) => n.forward(batchOf(n).pixels)],
  ['gradients', (n) => n.gradients(batchOf(n).pixels, batchOf(n).labels)],
  ['trainStep', (n) => n.trainStep(batchOf(n), { optimizer: sgd })],
  ['trainSteps', (n) => n.trainSteps([{ batch: batchOf(n), optimizer: sgd }])],
  ['evaluate', (n) => n.evaluate(batchOf(n))],
  ['calibrate', (n) => n.calibrate(batchOf(n))],
  ['simulate', (n) => n.simulate(batchOf(n).pixels, { code: 'rate', timesteps: 3 })],
];
const exclusive: Method[] = [
  ...jobs,
  ['parameters', (n) => n.parameters()],
  ['setParameters', (n) => n.setParameters({})],
  ['optimizerState', (n) => n.optimizerState()],
  [
    'setOptimizerState',
    (n) => n.setOptimizerState({ slots: new Map(), counters: { optimizerSteps: 0, randomStep: 0 } }),
  ],
  ['resetOptimizer', (n) => n.resetOptimizer()],
  ['anytime', (n) => n.anytime(new Float32Array(n.description.timesteps * n.layers.at(-1)!.neurons))],
  ['counters', (n) => n.counters()],
  ['recorded', (n) => n.recorded()],
  ['setCounters', (n) => n.setCounters({ optimizerSteps: 1, randomStep: 1 })],
];

onEachBackend((on) => {
  describe('a running job', () => {
    let state: Awaited<ReturnType<typeof running>>;
    beforeAll(async () => {
      state = await running(on);
    });
    afterAll(() => state.stop());

    test.each(exclusive)('%s is ERR_BUSY', async (_, call) => {
      expect(await outcome(() => call(state.network))).toBe('ERR_BUSY');
    });

    test('what does not touch the parameters still answers', () => {
      expect(state.network.memoryBytes()).toBeGreaterThan(0);
      expect(state.network.layers).toHaveLength(7);
      expect(state.network.description.timesteps).toBe(5);
    });
  });

  describe('a disposed network', () => {
    test.each(exclusive)('%s is ERR_STATE', async (_, call) => {
      const network = await Network.create(tiny, on);
      await network.dispose();
      expect(await outcome(() => call(network))).toBe('ERR_STATE');
    });

    test('dispose is idempotent, and also asyncDispose', async () => {
      const network = await Network.create(tiny, on);
      await network.dispose();
      await network.dispose();
      await network[Symbol.asyncDispose]();
      expect(await outcome(() => network.memoryBytes())).toBe('ERR_STATE');
    });

    test('its wrong arguments are reported before its state', async () => {
      const network = await Network.create(tiny, on);
      await network.dispose();
      expect(await outcome(() => network.forward(new Uint8Array(1)))).toBe('ERR_SHAPE');
    });
  });

  describe('dispose while a job runs', () => {
    test('aborts it and waits for its end', async () => {
      const before = liveHandles().networks;
      const { network, job } = await running(on);
      const codes: string[] = [];
      job.catch((error: { code: string }) => codes.push(error.code));
      await network.dispose();
      expect(codes).toEqual(['ERR_ABORTED']);
      expect(liveHandles().networks).toBe(before);
      expect(await outcome(() => network.parameters())).toBe('ERR_STATE');
    });

    test('later calls are ERR_STATE at once, not ERR_BUSY', async () => {
      const { network } = await running(on);
      const disposal = network.dispose();
      expect(await outcome(() => network.parameters())).toBe('ERR_STATE');
      expect(await outcome(() => network.forward(pixels(1, 3 * 32 * 32)))).toBe('ERR_STATE');
      await disposal;
    });
  });

  describe('an aborted job', () => {
    test.each(['trainStep', 'gradients', 'forward', 'evaluate', 'calibrate'] as const)(
      '%s rejects with the reason as cause; the network works on',
      async (method) => {
        const network = await Network.create(heavy, { ...on, threads: 1 });
        const before = await network.parameters();
        const batch = heavyBatch(on.backend);
        const controller = new AbortController();
        const { signal } = controller;
        const start = {
          trainStep: () => network.trainStep(batch, { optimizer: sgd, signal }),
          gradients: () => network.gradients(batch.pixels, batch.labels, { signal }),
          forward: () => network.forward(batch.pixels, { signal, trace: true }),
          evaluate: () => network.evaluate(batch, { signal }),
          calibrate: () => network.calibrate(batch, { signal }),
        }[method];
        const job = start();
        const reason = new Error('enough');
        controller.abort(reason);
        await expect(job).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: reason });
        const after = await network.parameters();
        for (const [name, { data }] of before)
          expect(Buffer.compare(bytes(after.get(name)!.data), bytes(data))).toBe(0);
        expect((await network.forward(batch.pixels.subarray(0, 3072))).logits).toHaveLength(10);
        await network.dispose();
      },
    );

    test('a signal that has fired before starts nothing', async () => {
      const network = await Network.create(tiny, on);
      const signal = AbortSignal.abort();
      expect(await outcome(() => network.forward(pixels(1, TINY_PIXELS), { signal }))).toBe('ERR_ABORTED');
      expect(await outcome(() => network.trainStep(batchOf(network), { optimizer: sgd, signal }))).toBe('ERR_ABORTED');
      await network.dispose();
    });

    test('a signal that fires after the end does nothing, and keeps no listener', async () => {
      const network = await Network.create(tiny, on);
      const controller = new AbortController();
      let listeners = 0;
      const { signal } = controller;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners++;
        return add(...args);
      };
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners--;
        return remove(...args);
      };
      await network.forward(pixels(1, TINY_PIXELS), { signal });
      expect(listeners).toBe(0);
      controller.abort();
      expect(await outcome(() => network.forward(pixels(1, TINY_PIXELS)))).toBe('ok');
      await network.dispose();
    });
  });

  describe('data sets', () => {
    let dataset: NativeDataset;
    let network: Network;
    beforeEach(async () => {
      network = await Network.create(tiny, on);
      dataset = createDataset(pixels(8, TINY_PIXELS), labels(8, TINY_CLASSES), [2, 4, 4]);
    });
    afterEach(() => network.dispose());
    const indices = Uint32Array.from([0, 3, 7]);

    test('a job keeps its data set alive, and so does a prefetch', async () => {
      const batch = { dataset, indices };
      const job = network.trainStep(batch, { optimizer: sgd, next: { dataset, indices: Uint32Array.of(1, 2) } });
      dataset.dispose();
      expect(await outcome(() => job)).toBe('ok');
      expect(await outcome(() => network.evaluate(batch))).toBe('ERR_STATE');
      dataset.dispose();
    });

    test('a dispose is counted once', () => {
      const before = liveHandles().datasets;
      dataset.dispose();
      dataset.dispose();
      expect(liveHandles().datasets).toBe(before - 1);
    });

    test('one network prefetches a batch and takes another', async () => {
      const options = { optimizer: sgd, next: { dataset, indices: Uint32Array.of(1, 2) } };
      await network.trainStep({ dataset, indices }, options);
      expect((await network.trainStep({ dataset, indices: Uint32Array.of(5) }, options)).count).toBe(1);
      expect((await network.trainStep({ dataset, indices: Uint32Array.of(1, 2) }, options)).count).toBe(2);
    });
  });
});
