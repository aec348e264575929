// Class Network: what its methods give, that splitting a batch changes nothing, and that state survives every way out.
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

import { createDataset } from '../../lib/native/dataset';
import type { NetworkDescription } from '../../lib/model/description';
import { Network } from '../../lib/model/network';
import { onEachBackend } from '../helpers/backends';
import { labels, outcome, pixels, sgd, tiny, TINY_CLASSES as K, TINY_PIXELS } from '../lifecycle/helpers';

const T = tiny.timesteps;
const adam = { kind: 'adam', learningRate: 0.01, amsgrad: true } as const;
const batch = (images: number): { pixels: Uint8Array; labels: Int32Array } => ({
  pixels: pixels(images, TINY_PIXELS),
  labels: labels(images, K),
});

onEachBackend((on) => {
  const open: Network[] = [];
  async function create(
    description: NetworkDescription = tiny,
    options: Parameters<typeof Network.create>[1] = { seed: 1, threads: 1 },
  ): Promise<Network> {
    const network = await Network.create(description, { ...on, ...options });
    open.push(network);
    return network;
  }
  afterEach(async () => {
    await Promise.all(open.splice(0).map((network) => network.dispose()));
  });

  /** Low thresholds, so that a random network spikes. */
  async function lively(description: NetworkDescription = tiny, seed = 1): Promise<Network> {
    return create(
      {
        ...description,
        layers: description.layers.map((layer) => (layer.type === 'avgpool' ? layer : { ...layer, threshold: 0.2 })),
      },
      { seed, threads: 1 },
    );
  }

  describe('create', () => {
    test('fills in the defaults and says what it is', async () => {
      const network = await create(tiny, {});
      expect(network).toMatchObject({
        backend: on.backend,
        device: on.backend === 'cpu' ? null : expect.any(Number),
        seed: 0,
        threads: availableParallelism(),
      });
      expect(network.layers).toEqual([
        { layer: 0, neurons: 64 },
        { layer: 2, neurons: K },
      ]);
      expect(network.description.layers[0]).toMatchObject({ kernel: 3, padding: 1, leak: 0.9 });
      expect(Object.isFrozen(network.description.layers[0])).toBe(true);
      expect(network.memoryBytes()).toBeGreaterThan(4 * (4 * 2 * 9 + K * 16));
      expect((await create(tiny, { threads: 0 })).threads).toBe(availableParallelism());
    });

    test('keeps times per layer and operation on request', async () => {
      const network = await create(tiny, { profile: true, precision: 'mixed' });
      expect(network.precision).toBe('mixed');
      await network.forward(pixels(1, TINY_PIXELS));
      const forward = network.profile().filter(({ operation }) => operation === 'spiking_forward');
      expect(forward.map(({ layer, calls }) => [layer, calls])).toEqual([
        [0, 1],
        [2, 1],
      ]);
      expect(forward.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
      expect(network.profile()).toEqual([]);
      const silent = await create(tiny, {});
      await silent.forward(pixels(1, TINY_PIXELS));
      expect(silent.profile()).toEqual([]);
      await expect(create(tiny, { precision: 'half' } as never)).rejects.toMatchObject({
        code: 'ERR_ARG',
        message: expect.stringMatching(/fp32/),
      });
    });

    test.each([
      [{ layers: [{ type: 'linear', out: 2 }] }, 'ERR_SHAPE', /layers\[0\]/],
      [{ timestep: 3 }, 'ERR_ARG', /did you mean 'timesteps'/],
    ])('a wrong description %j', async (change, code, text) => {
      await expect(Network.create({ ...tiny, ...change } as never)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(text),
      });
    });

    test.each([
      [{ seeds: 1 }, 'ERR_ARG', /did you mean 'seed'/],
      [{ seed: 1.5 }, 'ERR_ARG', /Expected an integer >= 0 for seed but received 1.5/],
      [{ threads: -1 }, 'ERR_ARG', /Expected an integer from 0 to 1024 for threads/],
      [{ backend: 'gpu' }, 'ERR_ARG', /Expected one of 'auto', 'cpu', 'cuda' for backend but received 'gpu'/],
    ])('wrong options %j', async (options, code, text) => {
      await expect(Network.create(tiny, options as never)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(text),
      });
    });

    test('the seed decides the weights', async () => {
      const weights = async (seed: number): Promise<Float32Array> =>
        (await create(tiny, { seed })).parameters().get('layers.0.weight')!.data;
      const [a, b, c] = [await weights(7), await weights(7), await weights(8)];
      expect(b).toEqual(a);
      expect(c).not.toEqual(a);
    });
  });

  describe('forward', () => {
    test('logits, predictions, statistics; more on request', async () => {
      const network = await lively();
      const plain = await network.forward(batch(4).pixels);
      expect(plain.logits).toHaveLength(4 * K);
      expect(plain).not.toHaveProperty('spikeTimes');
      expect(plain).not.toHaveProperty('potentials');
      expect(plain.stats).toMatchObject({ count: 4, loss: NaN, badLayer: -1 });
      for (let n = 0; n < 4; n++) {
        const row = Array.from(plain.logits.subarray(n * K, (n + 1) * K));
        expect(plain.predictions[n]).toBe(row.indexOf(Math.max(...row)));
      }
      const full = await network.forward(batch(4).pixels, { trace: true, potentials: true });
      expect(full.logits).toEqual(plain.logits);
      expect(full.potentials).toHaveLength(4 * T * K);
      expect([...full.spikeTimes!.keys()]).toEqual(['layers.0', 'layers.2']);
      const hidden = full.spikeTimes!.get('layers.0')!;
      expect(hidden).toHaveLength(4 * 64);
      expect(Math.max(...hidden)).toBeLessThanOrEqual(T);
      expect(hidden.filter((time) => time > 0)).toHaveLength(full.stats.spikes[0]!);
      expect(full.spikeTimes!.get(0)).toBe(hidden);
      expect(full.spikeTimes!.get('layers.0.spike_time')).toBe(hidden);
      expect(full.spikeTimes!.has(1)).toBe(false);
      const output = full.spikeTimes!.get(2)!;
      expect(Math.min(...output)).toBeGreaterThanOrEqual(1);
      expect(Math.max(...output)).toBeLessThanOrEqual(T + 1);
    });

    test('the logits follow from potentials and spike times', async () => {
      const network = await lively({ ...tiny, alpha: 0.7, beta: 1.3 });
      const { logits, potentials, spikeTimes, predictions } = await network.forward(batch(6).pixels, {
        trace: true,
        potentials: true,
      });
      const [threshold] = network.parameters().get('layers.2.threshold')!.data;
      for (let n = 0; n < 6; n++) {
        for (let k = 0; k < K; k++) {
          const u = Array.from({ length: T }, (_, t) => potentials![(n * T + t) * K + k]!);
          const first = u.findIndex((value) => value > threshold!);
          expect(spikeTimes!.get(2)![n * K + k]).toBe(first < 0 ? T + 1 : first + 1);
          expect(logits[n * K + k]).toBeCloseTo((0.7 * u.at(-1)!) / threshold! + 1.3 * (first < 0 ? 0 : T - first), 4);
        }
      }
      const { predictions: steps, decisionSteps } = network.anytime(potentials!);
      expect(Array.from(predictions, (_, n) => steps[n * T + T - 1])).toEqual([...predictions]);
      for (const step of decisionSteps) expect(step >= 1 && step <= T).toBe(true);
    });

    test('a batch larger than one native call equals its images one by one', async () => {
      const network = await lively();
      const many = batch(1300);
      const whole = await network.forward(many.pixels, { trace: true, potentials: true });
      expect(whole.stats.count).toBe(1300);
      for (const n of [0, 511, 512, 1024, 1299]) {
        const one = await network.forward(many.pixels.subarray(n * TINY_PIXELS, (n + 1) * TINY_PIXELS), {
          trace: true,
          potentials: true,
        });
        expect(one.logits).toEqual(whole.logits.slice(n * K, (n + 1) * K));
        expect(one.potentials).toEqual(whole.potentials!.slice(n * T * K, (n + 1) * T * K));
        expect(one.spikeTimes!.get(0)).toEqual(whole.spikeTimes!.get(0)!.slice(n * 64, (n + 1) * 64));
      }
      const parts = await Promise.all([1300].map(() => network.evaluate(many)));
      expect(parts[0]).toMatchObject({ count: 1300, spikes: whole.stats.spikes });
    });

    test("mode 'ann' has no time", async () => {
      const network = await create();
      expect((await network.forward(batch(2).pixels, { mode: 'ann' })).logits).toHaveLength(2 * K);
      expect(await outcome(() => network.forward(batch(2).pixels, { mode: 'ann', trace: true }))).toBe('ERR_ARG');
    });

    test.each([
      [
        new Uint8Array(TINY_PIXELS + 1),
        'ERR_SHAPE',
        `Expected a positive multiple of ${TINY_PIXELS} bytes (2 x 4 x 4 per image) for pixels but received ${TINY_PIXELS + 1}`,
      ],
      [[1, 2], 'ERR_ARG', 'Expected a Uint8Array for pixels but received an array of 2'],
      [
        new Float32Array(TINY_PIXELS),
        'ERR_ARG',
        `Expected a Uint8Array for pixels but received Float32Array of ${TINY_PIXELS}`,
      ],
    ])('wrong pixels %#', async (wrong, code, message) => {
      const network = await create();
      await expect(network.forward(wrong as never)).rejects.toMatchObject({
        name: 'OneSpikeError',
        code,
        message,
        stack: expect.stringContaining(__filename),
      });
    });
  });

  describe('training', () => {
    test('gradients: one per parameter, and the parameters stay', async () => {
      const network = await lively();
      const before = network.parameters();
      const { loss, gradients, stats } = await network.gradients(batch(4).pixels, batch(4).labels);
      expect(loss).toBeGreaterThan(0);
      expect(stats.gradientNorm).toBeGreaterThan(0);
      expect([...gradients.keys()]).toEqual([...before.keys()]);
      for (const [name, { data }] of before) expect(gradients.get(name)).toHaveLength(data.length);
      expect(network.parameters()).toEqual(before);
      let squares = 0;
      for (const gradient of gradients.values()) for (const value of gradient) squares += value * value;
      expect(Math.sqrt(squares) / stats.gradientNorm).toBeCloseTo(1, 4);
    });

    test('labels of any kind', async () => {
      const network = await lively();
      const images = batch(3).pixels;
      const { loss } = await network.gradients(images, [0, 1, 4]);
      for (const same of [
        Uint8Array.of(0, 1, 4),
        Float32Array.of(0, 1, 4),
        BigInt64Array.of(0n, 1n, 4n),
        { length: 3, 0: 0, 1: 1, 2: 4 },
      ]) {
        expect((await network.gradients(images, same as never)).loss).toBe(loss);
      }
      await expect(network.gradients(images, [0, 1, K])).rejects.toMatchObject({
        code: 'ERR_ARG',
        message: `Expected a class from 0 to ${K - 1} for labels[2] but received ${K}`,
      });
      await expect(network.gradients(images, [0, 1])).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    });

    test.each(['snn', 'ann'] as const)('steps in mode %s lower the loss of their batch', async (mode) => {
      const network = await lively();
      const first = await network.evaluate(batch(10), { mode });
      for (let step = 0; step < 60; step++) await network.trainStep(batch(10), { optimizer: adam, mode });
      const last = await network.evaluate(batch(10), { mode });
      expect(last.loss).toBeLessThan(first.loss * 0.9);
      expect(network.counters().optimizerSteps).toBe(60);
    });

    test('rows of a data set equal the same pixels', async () => {
      const [a, b] = [await lively(), await lively()];
      const { pixels: images, labels: classes } = batch(6);
      const dataset = createDataset(images, classes, [2, 4, 4]);
      const indices = Uint32Array.of(4, 1, 1, 5);
      const row = (array: Uint8Array | Int32Array, size: number): number[] =>
        [...indices].flatMap((i) => [...array.subarray(i * size, (i + 1) * size)]);
      const same = { pixels: Uint8Array.from(row(images, TINY_PIXELS)), labels: Int32Array.from(row(classes, 1)) };
      expect(await b.evaluate({ dataset, indices })).toMatchObject({
        ...(await a.evaluate(same)),
        seconds: expect.any(Number),
      });
      for (let i = 0; i < 3; i++) {
        const stats = await a.trainStep(same, { optimizer: sgd });
        expect(await b.trainStep({ dataset, indices }, { optimizer: sgd, next: { dataset, indices } })).toMatchObject({
          ...stats,
          seconds: expect.any(Number),
        });
      }
      expect(b.parameters()).toEqual(a.parameters());
      dataset.dispose();
    });

    test('calibration sets thresholds from the inputs and leaks to 1', async () => {
      const network = await lively();
      await network.calibrate({ pixels: batch(20).pixels });
      const once = network.parameters();
      expect(once.get('layers.0.leak')!.data).toEqual(Float32Array.of(1));
      expect(once.get('layers.0.threshold')!.data[0]).toBeGreaterThan(0);
      expect(await outcome(() => network.calibrate({ pixels: batch(20).pixels }, { percentile: 101 }))).toBe('ERR_ARG');
    });

    test.each([
      [{ optimizer: { ...sgd, lerningRate: 1 } }, /unknown option 'lerningRate' \(did you mean 'learningRate'\?\)/],
      [{ optimizer: { kind: 'sdg', learningRate: 1 } }, /did you mean 'sgd'/],
      [{ optimizer: { kind: 'sgd' } }, /Expected a finite number >= 0 for optimizer.learningRate but received/],
      [{ optimizer: { ...sgd, momentum: 1 } }, /optimizer.momentum/],
      [{}, /for optimizer but received undefined/],
      [{ optimizer: sgd, next: batch(1) }, /dataset, indices/],
    ])('wrong options %j', async (options, text) => {
      const network = await create();
      await expect(network.trainStep(batch(1), options as never)).rejects.toMatchObject({
        code: 'ERR_ARG',
        message: expect.stringMatching(text),
      });
    });
  });

  describe('state', () => {
    const train = async (network: Network, steps: number): Promise<void> => {
      for (let step = 0; step < steps; step++) await network.trainStep(batch(5), { optimizer: adam });
    };
    const dropout: NetworkDescription = {
      ...tiny,
      layers: tiny.layers.map((layer) => (layer.type === 'conv' ? { ...layer, dropout: 0.3 } : layer)),
    };

    test('parameters and optimiser state carry a training on to the same bits', async () => {
      const a = await lively(dropout);
      await train(a, 3);
      const b = await lively(dropout);
      await train(b, 1);
      b.setParameters(a.parameters());
      b.setOptimizerState(a.optimizerState());
      expect(b.optimizerState()).toEqual(a.optimizerState());
      expect([...a.optimizerState().slots.keys()]).toContain('slot2.layers.0.weight');
      await train(a, 3);
      await train(b, 3);
      expect(b.parameters()).toEqual(a.parameters());
    });

    test('resetOptimizer forgets everything but the random position', async () => {
      const network = await lively();
      await train(network, 2);
      const { randomStep } = network.counters();
      network.resetOptimizer();
      expect(network.optimizerState()).toEqual({ slots: new Map(), counters: { optimizerSteps: 0, randomStep } });
    });

    test('setParameters takes maps and objects, all or nothing', async () => {
      const network = await create();
      const before = network.parameters();
      expect(
        await outcome(() =>
          network.setParameters({ 'layers.0.leak': Float32Array.of(0.5), 'layers.2.leak': Float32Array.of(1.5) }),
        ),
      ).toBe('ERR_ARG');
      expect(
        await outcome(() =>
          network.setParameters({ 'layers.0.leak': Float32Array.of(0.5), 'layers.0.weight': new Float32Array(1) }),
        ),
      ).toBe('ERR_SHAPE');
      expect(() => network.setParameters({ 'layers.0.wieght': new Float32Array(1) })).toThrow(
        /did you mean 'layers.0.weight'/,
      );
      expect(network.parameters()).toEqual(before);
      network.setParameters({ 'layers.0.leak': Float32Array.of(0.5) });
      network.setParameters(new Map([['layers.2.leak', Float32Array.of(0.25)]]));
      expect(network.parameters().get('layers.0.leak')!.data[0]).toBe(0.5);
      expect(network.parameters().get('layers.2.leak')!.data[0]).toBe(0.25);
    });

    test('save, load and open', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'onespike-'));
      const path = join(folder, 'model.safetensors');
      try {
        const network = await lively();
        await train(network, 2);
        await network.save(path, { note: 'mine' });
        const opened = await Network.open(path, { ...on, threads: 1 });
        open.push(opened);
        expect(opened.description).toEqual(network.description);
        expect(opened.parameters()).toEqual(network.parameters());
        const loaded = await lively(tiny, 9);
        await loaded.load(path);
        expect((await loaded.forward(batch(3).pixels)).logits).toEqual((await network.forward(batch(3).pixels)).logits);
        const other = await create({
          ...tiny,
          layers: tiny.layers.map((layer) => (layer.type === 'conv' ? { ...layer, out: 3 } : layer)),
        });
        expect(await outcome(() => other.load(path))).toBe('ERR_SHAPE');
        const biased = await create({
          ...tiny,
          layers: tiny.layers.map((layer) => (layer.type === 'conv' ? { ...layer, bias: true } : layer)),
        });
        expect(await outcome(() => biased.load(path))).toBe('ERR_SHAPE');
        expect(await outcome(() => network.load(join(folder, 'none')))).toBe('ERR_IO');
        expect(await outcome(() => Network.open(__filename))).toBe('ERR_FORMAT');
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });

  describe('early exit', () => {
    test('an image ends at the first output spike, with the answer of that step', async () => {
      const network = await lively();
      const images = batch(40);
      const whole = await network.forward(images.pixels, { potentials: true });
      const threshold = 0.2;
      const early = await network.forward(images.pixels, { earlyExit: true });
      const again = await network.forward(images.pixels, { earlyExit: true });
      const steps = Array.from({ length: 40 }, (_, n) => {
        for (let t = 1; t <= T; t++)
          for (let k = 0; k < K; k++) if (whole.potentials![(n * T + t - 1) * K + k]! > threshold) return t;
        return T;
      });
      expect(Array.from(early.decisionSteps!)).toEqual(steps);
      expect(new Set(steps).size).toBeGreaterThan(1);
      expect(early.stats.meanDecisionStep).toBeCloseTo(steps.reduce((sum, step) => sum + step, 0) / 40, 9);
      const { predictions } = network.anytime(whole.potentials!);
      expect(Array.from(early.predictions)).toEqual(steps.map((step, n) => predictions[n * T + step - 1]));
      expect(again.decisionSteps).toEqual(early.decisionSteps);
      expect(again.logits).toEqual(early.logits);
      expect(whole.decisionSteps).toBeUndefined();
      expect(whole.stats.meanDecisionStep).toBeUndefined();
      const evaluated = await network.evaluate(images, { earlyExit: true });
      expect(evaluated.correct).toBe(
        images.labels.reduce((sum, label, n) => sum + Number(early.predictions[n] === label), 0),
      );
      expect(evaluated.meanDecisionStep).toBeCloseTo(early.stats.meanDecisionStep!, 9);
    });

    test.each([
      [{ earlyExit: 1 }],
      [{ earlyExit: true, mode: 'ann' }],
      [{ earlyExit: true, trace: true }],
      [{ earlyExit: true, potentials: true }],
    ])('wrong options %#', async (options) => {
      const network = await create();
      await expect(network.forward(batch(1).pixels, options as never)).rejects.toMatchObject({ code: 'ERR_ARG' });
    });
  });
});
