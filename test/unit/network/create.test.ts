// Network.create: the options, their defaults, and what a network says of itself.
import { availableParallelism } from 'node:os';

import { Network } from '../../../lib/model/network';
import { onEachBackend } from '../../helpers/backends';
import { pixels, tiny, TINY_CLASSES as K, TINY_PIXELS } from '../../lifecycle/helpers';
import { networksOn } from './networks';

onEachBackend((on) => {
  const { create } = networksOn(on);

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
    [{ seed: 1.5 }, 'ERR_ARG', /Expected an integer from 0 to \d+ for seed but received 1.5/],
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
      (await (await create(tiny, { seed })).parameters()).get('layers.0.weight')!.data;
    const [a, b, c] = [await weights(7), await weights(7), await weights(8)];
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
  });
});
