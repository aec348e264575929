// The average of the parameters, and augmented batches, through class Network.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Network } from '../../../lib/model/network';
import { createDataset } from '../../../lib/native/dataset';
import { onEachBackend } from '../../helpers/backends';
import { outcome, sgd, tiny } from '../../lifecycle/helpers';
import { adam, batch, networksOn } from './networks';

const folder = mkdtempSync(join(tmpdir(), 'onespike-average-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

onEachBackend((on) => {
  const { create, lively, disposeLater } = networksOn(on);

  test('what takes it computes as a network does whose parameters it is', async () => {
    const [a, b] = [await lively(), await create()];
    const images = batch(6);
    for (let step = 0; step < 5; step++) await a.trainStep(images, { optimizer: { ...adam, ema: 0.4 } });
    const average = await a.parameters({ averaged: true });
    expect(average).not.toEqual(await a.parameters());
    await b.setParameters(average);
    for (const mode of ['ann', 'snn'] as const) {
      const { loss, correct } = await a.evaluate(images, { mode, averaged: true });
      expect(await b.evaluate(images, { mode })).toMatchObject({ loss, correct });
      expect((await a.evaluate(images, { mode })).loss).not.toBe(loss);
    }
    const { potentials, logits } = await a.forward(images.pixels, { potentials: true, averaged: true });
    expect(logits).toEqual((await b.forward(images.pixels)).logits);
    expect(await a.anytime(potentials!, { averaged: true })).toEqual(await b.anytime(potentials!));
    const path = join(folder, `${on.backend}-${on.precision}.safetensors`);
    await a.save(path, undefined, { averaged: true });
    const opened = disposeLater(await Network.open(path, { ...on, threads: 1 }));
    expect(await opened.parameters()).toEqual(average);
  });

  test('it is a part of the state of the optimiser', async () => {
    const [whole, first, second] = [await lively(), await lively(), await create()];
    const optimizer = { ...adam, ema: 0.9 };
    for (let step = 0; step < 6; step++) await whole.trainStep(batch(5), { optimizer });
    for (let step = 0; step < 3; step++) await first.trainStep(batch(5), { optimizer });
    const state = await first.optimizerState();
    expect([...state.slots.keys()]).toContain('average.layers.0.weight');
    await second.setParameters(await first.parameters());
    await second.setOptimizerState(state);
    for (let step = 0; step < 3; step++) await second.trainStep(batch(5), { optimizer });
    expect(await second.parameters({ averaged: true })).toEqual(await whole.parameters({ averaged: true }));
    expect(await second.parameters()).toEqual(await whole.parameters());
  });

  test('without a step that takes one there is none, and a reset forgets it', async () => {
    const network = await lively();
    await network.trainStep(batch(2), { optimizer: sgd });
    const averaged = true;
    for (const call of [
      () => network.evaluate(batch(2), { averaged }),
      () => network.forward(batch(2).pixels, { averaged }),
      () => network.parameters({ averaged }),
      () => network.save(join(folder, 'none.safetensors'), undefined, { averaged }),
    ])
      expect(await outcome(call)).toBe('ERR_STATE');
    await network.trainStep(batch(2), { optimizer: { ...sgd, ema: 0.5 } });
    expect(await outcome(() => network.parameters({ averaged }))).toBe('ok');
    await network.resetOptimizer();
    expect(await outcome(() => network.parameters({ averaged }))).toBe('ERR_STATE');
  });

  test.each([
    [{ ema: 1 }, /Expected a number in \[0, 1\) for optimizer\.ema but received 1/],
    [{ ema: -0.1 }, /for optimizer\.ema but received -0\.1/],
    [{ ema: '0.9' }, /for optimizer\.ema but received '0\.9'/],
  ])('%j is refused', async (wrong, message) => {
    const network = await create();
    await expect(network.trainStep(batch(1), { optimizer: { ...sgd, ...wrong } as never })).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(message),
    });
    await expect(network.parameters({ averaged: 1 } as never)).rejects.toMatchObject({ code: 'ERR_ARG' });
    await expect(network.evaluate(batch(1), { averaged: 'yes' } as never)).rejects.toMatchObject({ code: 'ERR_ARG' });
  });

  test('mixed images have a loss between those of their labels, and every kind of augmentation trains', async () => {
    const network = await lively();
    const { pixels, labels } = batch(8);
    const dataset = createDataset(pixels, labels, tiny.input);
    const indices = Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    const plain = await network.evaluate({ dataset, indices });
    const drawn = { seed: 3, step: 1 };
    expect(await network.evaluate({ dataset, indices, augment: drawn })).toMatchObject({ loss: plain.loss });
    for (const augment of [
      { padding: 1, border: 'reflect' },
      { flip: true },
      { trivial: true },
      { cutout: 2 },
      { mixup: 1 },
      { cutmix: 1 },
    ] as const) {
      const rows = { dataset, indices, augment: { ...drawn, ...augment } };
      const { loss } = await network.evaluate(rows);
      expect(loss).not.toBe(plain.loss);
      expect((await network.evaluate(rows)).loss).toBe(loss);
      expect((await network.trainStep(rows, { optimizer: { ...sgd, learningRate: 0 } })).loss).toBeCloseTo(loss, 5);
    }
    dataset.dispose();
  });

  test.each([
    [{ border: 'mirror' }, /one of 'zeros', 'reflect' for batch\.augment\.border/],
    [{ trivial: 1 }, /true or false for batch\.augment\.trivial/],
    [{ cutout: 0.5 }, /an integer from 0 to 65535 for batch\.augment\.cutout/],
    [{ mixup: -1 }, /a number from 0 to 100 for batch\.augment\.mixup but received -1/],
    [{ cutmix: Infinity }, /a number from 0 to 100 for batch\.augment\.cutmix/],
    [{ cutMix: 1 }, /did you mean 'cutmix'/],
  ])('augmentation %j is refused', async (wrong, message) => {
    const network = await create();
    const { pixels, labels } = batch(1);
    const dataset = createDataset(pixels, labels, tiny.input);
    const augment = { seed: 1, step: 1, ...wrong };
    const indices = Uint32Array.of(0);
    await expect(network.trainStep({ dataset, indices, augment } as never, { optimizer: sgd })).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(message),
    });
    dataset.dispose();
  });
});
