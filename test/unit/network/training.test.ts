// Gradients, steps of training, evaluation and calibration of class Network.
import { createDataset } from '../../../lib/native/dataset';
import { onEachBackend } from '../../helpers/backends';
import { outcome, sgd, TINY_CLASSES as K, TINY_PIXELS } from '../../lifecycle/helpers';
import { adam, batch, networksOn } from './networks';

onEachBackend((on) => {
  const { create, lively } = networksOn(on);

  test('gradients: one per parameter, and the parameters stay', async () => {
    const network = await lively();
    const before = await network.parameters();
    const { loss, gradients, stats } = await network.gradients(batch(4).pixels, batch(4).labels);
    expect(loss).toBeGreaterThan(0);
    expect(stats.gradientNorm).toBeGreaterThan(0);
    expect([...gradients.keys()]).toEqual([...before.keys()]);
    for (const [name, { data }] of before) expect(gradients.get(name)).toHaveLength(data.length);
    expect(await network.parameters()).toEqual(before);
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

  test('evaluation in pieces: totals after each, the last those of the whole; the network is free in between', async () => {
    const network = await lively();
    const whole = await network.evaluate(batch(10));
    const counts: number[] = [];
    let last: object | undefined;
    for await (const stats of network.evaluateInPieces(batch(10), { piece: 4 })) {
      counts.push(stats.count);
      last = stats;
      await network.forward(batch(1).pixels);
    }
    expect(counts).toEqual([4, 8, 10]);
    const { loss, ...counted } = whole;
    expect(last).toMatchObject({ ...counted, seconds: expect.any(Number) });
    expect((last as { loss: number }).loss).toBeCloseTo(loss, 6);
    const dataset = createDataset(batch(5).pixels, batch(5).labels, [2, 4, 4]);
    const indices = Uint32Array.from([0, 1, 2, 3, 4]);
    const augment = { padding: 1, flip: true, seed: 1, step: 0 };
    const augmented: number[] = [];
    for await (const { count } of network.evaluateInPieces({ dataset, indices, augment }, { piece: 2 }))
      augmented.push(count); // a function of the position in the batch, which therefore stays whole
    expect(augmented).toEqual([5]);
    dataset.dispose();
    for (const piece of [0, 1.5, '2'])
      expect(await outcome(() => network.evaluateInPieces(batch(1), { piece } as never).next())).toBe('ERR_ARG');
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
    expect(await b.parameters()).toEqual(await a.parameters());
    dataset.dispose();
  });

  test.each(['ann', 'snn'] as const)('label smoothing raises the loss of a confident network: %s', async (mode) => {
    const network = await lively();
    const images = batch(10);
    for (let step = 0; step < 60; step++) await network.trainStep(images, { optimizer: adam, mode });
    const plain = await network.gradients(images.pixels, images.labels, { mode });
    const smooth = await network.gradients(images.pixels, images.labels, { mode, labelSmoothing: 0.5 });
    expect(smooth.loss).toBeGreaterThan(plain.loss + 0.1);
    expect((await network.evaluate(images, { mode })).loss).toBeCloseTo(plain.loss, 10);
    const [stats] = await network.trainSteps([{ batch: images, optimizer: adam }], { mode, labelSmoothing: 0.5 });
    expect(stats!.loss).toBe(smooth.loss);
  });

  test('calibration sets thresholds from the inputs and leaks to 1', async () => {
    const network = await lively();
    await network.calibrate({ pixels: batch(20).pixels });
    const once = await network.parameters();
    expect(once.get('layers.0.leak')!.data).toEqual(Float32Array.of(1));
    expect(once.get('layers.0.threshold')!.data[0]).toBeGreaterThan(0);
    expect(await outcome(() => network.calibrate({ pixels: batch(20).pixels }, { percentile: 101 }))).toBe('ERR_ARG');
  });

  test.each([
    [{ optimizer: { ...sgd, lerningRate: 1 } }, /unknown key 'lerningRate' \(did you mean 'learningRate'\?\)/],
    [{ optimizer: { kind: 'sdg', learningRate: 1 } }, /did you mean 'sgd'/],
    [
      { optimizer: { kind: 'sgd' } },
      /Expected a finite number >= 0 that float32 holds for optimizer.learningRate but received/,
    ],
    [{ optimizer: { ...sgd, momentum: 1 } }, /optimizer.momentum/],
    [{}, /for optimizer but received undefined/],
    [{ optimizer: sgd, next: batch(1) }, /dataset, indices/],
    [{ optimizer: { ...adam, nesterov: true } }, /false \(only 'sgd' has it, not 'adam'\) for optimizer.nesterov/],
    [{ optimizer: { ...sgd, momentum: 0, nesterov: true } }, /no momentum\) for optimizer.nesterov but received true/],
    [{ optimizer: { ...sgd, nesterov: 1 } }, /true or false for optimizer.nesterov but received 1/],
    [{ optimizer: sgd, labelSmoothing: 1 }, /Expected a number in \[0, 1\) for labelSmoothing but received 1/],
    [{ optimizer: sgd, labelSmoothing: '0.1' }, /for labelSmoothing but received '0.1'/],
    [{ optimizer: sgd, labelSmoothing: NaN }, /for labelSmoothing but received NaN/],
    [{ optimizer: sgd, labelSmooting: 0.1 }, /did you mean 'labelSmoothing'/],
  ])('wrong options %j', async (options, text) => {
    const network = await create();
    await expect(network.trainStep(batch(1), options as never)).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(text),
    });
  });
});
