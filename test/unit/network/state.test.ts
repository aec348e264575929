// Parameters and optimiser state of class Network, in memory and in files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NetworkDescription } from '../../../lib/model/description';
import { Network } from '../../../lib/model/network';
import { onEachBackend } from '../../helpers/backends';
import { outcome, tiny } from '../../lifecycle/helpers';
import { adam, batch, networksOn } from './networks';

onEachBackend((on) => {
  const { create, lively, disposeLater } = networksOn(on);

  const train = async (network: Network, steps: number): Promise<void> => {
    for (let step = 0; step < steps; step++) await network.trainStep(batch(5), { optimizer: adam });
  };
  const dropout: NetworkDescription = {
    ...tiny,
    layers: tiny.layers.map((layer) => (layer.type === 'conv' ? { ...layer, dropout: 0.3 } : layer)),
  };

  test('a training that continues from parameters and optimiser state is bit-identical', async () => {
    const a = await lively(dropout);
    await train(a, 3);
    const b = await lively(dropout);
    await train(b, 1);
    await b.setParameters(await a.parameters());
    await b.setOptimizerState(await a.optimizerState());
    expect(await b.optimizerState()).toEqual(await a.optimizerState());
    expect([...(await a.optimizerState()).slots.keys()]).toContain('slot2.layers.0.weight');
    await train(a, 3);
    await train(b, 3);
    expect(await b.parameters()).toEqual(await a.parameters());
  });

  test('resetOptimizer forgets everything but the random position', async () => {
    const network = await lively();
    await train(network, 2);
    const { randomStep } = network.counters();
    await network.resetOptimizer();
    expect(await network.optimizerState()).toEqual({
      slots: new Map(),
      counters: { optimizerSteps: 0, randomStep, activity: 0 },
    });
  });

  test('setParameters takes maps and objects, all or nothing', async () => {
    const network = await create();
    const before = await network.parameters();
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
    await expect(network.setParameters({ 'layers.0.wieght': new Float32Array(1) })).rejects.toThrow(
      /did you mean 'layers.0.weight'/,
    );
    expect(await network.parameters()).toEqual(before);
    await network.setParameters({ 'layers.0.leak': Float32Array.of(0.5) });
    await network.setParameters(new Map([['layers.2.leak', Float32Array.of(0.25)]]));
    expect((await network.parameters()).get('layers.0.leak')!.data[0]).toBe(0.5);
    expect((await network.parameters()).get('layers.2.leak')!.data[0]).toBe(0.25);
  });

  test('save, load and open', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onespike-'));
    const path = join(folder, 'model.safetensors');
    try {
      const network = await lively();
      await train(network, 2);
      await network.save(path, { note: 'mine' });
      const opened = disposeLater(await Network.open(path, { ...on, threads: 1 }));
      expect(opened.description).toEqual(network.description);
      expect(await opened.parameters()).toEqual(await network.parameters());
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
