// `network.simulate`: what it accepts, what it returns, and that pieces, threads and records change nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkDescription } from '../../../lib/model/description';
import type { Network, SimulateOptions } from '../../../lib/model/network';
import { SIMULATED_CODES } from '../../../lib/model/network/simulation-options';
import { energyAccount } from '../../../lib/energy';
import { onEachBackend } from '../../helpers/backends';
import { heavy, outcome, pixels, TINY_CLASSES, TINY_PIXELS } from '../../lifecycle/helpers';
import { networksOn } from './networks';

const small: NetworkDescription = {
  input: [2, 4, 4],
  timesteps: 3,
  layers: [
    { type: 'conv', out: 4, bias: true },
    { type: 'avgpool' },
    { type: 'linear', out: 6, bias: true },
    { type: 'linear', out: 5, output: true },
  ],
};

onEachBackend((on) => {
  const { create } = networksOn(on);
  const images = (count: number): Uint8Array => pixels(count, TINY_PIXELS);
  const code = async (options: object): Promise<string> => {
    const network = await create(small);
    return outcome(() => network.simulate(images(2), options as SimulateOptions));
  };

  test.each<[string, object]>([
    ['no code', { timesteps: 3 }],
    ['an unknown code', { code: 'morse', timesteps: 3 }],
    ['a misspelt option', { code: 'rate', timestep: 3 }],
    ['no timesteps', { code: 'rate' }],
    ['timesteps of 0', { code: 'burst', timesteps: 0 }],
    ['too many timesteps', { code: 'burst', timesteps: 65536 }],
    ['one timestep of tsc', { code: 'tsc', timesteps: 1 }],
    ['an option of another code', { code: 'rate', timesteps: 3, timeConstant: 20 }],
    ['a threshold where there is none', { code: 'tsc', timesteps: 3, threshold: 1 }],
    ['a threshold of 0', { code: 'phase', timesteps: 3, threshold: 0 }],
    ['a window that is not timesteps - 1', { code: 'ttfs-converted', timesteps: 80, window: 80 }],
    ['a time constant out of range', { code: 'ttfs-converted', timeConstant: 0.2 }],
    ['a window of too many time constants', { code: 'ttfs-converted', window: 100, timeConstant: 1 }],
    ['a base above 54.5', { code: 'one-spike-phase', base: 55 }],
    ['a base of 1', { code: 'one-spike-phase', base: 1 }],
    ['a stride beyond the window', { code: 'ttfs-converted', stride: 82 }],
    ['a percentile above 100', { code: 'direct', timesteps: 3, percentile: 101 }],
    ['activations and calibration', { code: 'direct', timesteps: 3, activations: [1, 1], calibration: images(1) }],
    ['an activation of 0', { code: 'direct', timesteps: 3, activations: [1, 0] }],
    ['logits behind the end', { code: 'direct', timesteps: 3, logits: [4] }],
    ['onProgress that is no function', { code: 'direct', timesteps: 3, onProgress: 1 }],
  ])('%s is ERR_ARG', async (_, options) => expect(await code(options)).toBe('ERR_ARG'));

  test.each<[string, object]>([
    ['activations of another number', { code: 'direct', timesteps: 3, activations: [1] }],
    ['time constants of another number', { code: 'ttfs-converted', timeConstant: [20, 20] }],
    ['calibration of another size', { code: 'direct', timesteps: 3, calibration: new Uint8Array(5) }],
  ])('%s is ERR_SHAPE', async (_, options) => expect(await code(options)).toBe('ERR_SHAPE'));

  test('timesteps, window and stride say how many steps there are', async () => {
    const network = await create(small);
    const steps = async (options: SimulateOptions): Promise<number> =>
      (await network.simulate(images(1), options)).steps;
    expect(await steps({ code: 'rate', timesteps: 7 })).toBe(7);
    expect(await steps({ code: 'tsc', timesteps: 7 })).toBe(21);
    expect(await steps({ code: 'ttfs-converted' })).toBe(243);
    expect(await steps({ code: 'ttfs-converted', window: 9, stride: 4 })).toBe(18);
    expect(await steps({ code: 'one-spike-phase' })).toBe(72);
  });

  test.each(SIMULATED_CODES)('%s: predictions, logits, records, operations', async (name) => {
    const network = await create(small);
    const options = { code: name, timesteps: 20, seed: 3 } as const;
    const all = await network.simulate(images(6), options);
    expect(all.recordedSteps).toEqual(Int32Array.from({ length: all.steps }, (_, i) => i + 1));
    expect(all.logits).toBe(all.logitsAt.get(all.steps));
    expect(all.activations).toHaveLength(2);
    for (let n = 0; n < 6; n++) {
      const logits = [...all.logits.subarray(n * TINY_CLASSES, (n + 1) * TINY_CLASSES)];
      expect(all.predictions[(n + 1) * all.steps - 1]).toBe(logits.indexOf(Math.max(...logits)));
    }
    const few = await network.simulate(images(6), { ...options, record: 7, logits: [2], activations: all.activations });
    expect(few.logits).toEqual(all.logits);
    expect([...few.logitsAt.keys()]).toEqual([2, all.steps]);
    const records = few.recordedSteps.length;
    expect(few.recordedSteps.at(-1)).toBe(all.steps);
    for (let n = 0; n < 6; n++)
      few.recordedSteps.forEach((step, r) =>
        expect(few.predictions[n * records + r]).toBe(all.predictions[n * all.steps + step - 1]),
      );
    const { layers } = all.operations;
    expect(layers.map(({ layer }) => layer)).toEqual([0, 2, 3]);
    expect(layers[1]!.events).toBe(layers[0]!.spikes);
    expect(all.spikesPerImage).toBeCloseTo(layers[0]!.events + layers[0]!.spikes + layers[1]!.spikes, 9);
    expect(layers[0]!.macs).toBe(name === 'direct' ? 20 * layers[0]!.annMacs : 0);
    expect(layers.some(({ scheduleMacs }) => scheduleMacs > 0)).toBe(
      name === 'ttfs-converted' || name === 'one-spike-phase',
    );
    expect(energyAccount(small, all.operations).headline.snnPicojoules).toBeGreaterThan(0);
  });

  test('neither threads nor the images beside one change what an image gives', async () => {
    const one = await create(small, { seed: 1, threads: 1 });
    const three = await create(small, { seed: 1, threads: 3 });
    const options = { code: 'rate', timesteps: 30, activations: [1, 1] } as const;
    const [a, b] = [await one.simulate(images(5), options), await three.simulate(images(5), options)];
    expect(b.logits).toEqual(a.logits);
    const few = await one.simulate(images(2), options);
    expect(few.logits).toEqual(a.logits.subarray(0, 2 * TINY_CLASSES));
  });

  test('progress reaches the end; an error in it, and an abort, end the job', async () => {
    const network = await create(heavy);
    const many = pixels(60, 3 * 32 * 32);
    const options = { code: 'direct', timesteps: 40, activations: [1, 1, 1, 1, 1, 1] } as const;
    const seen: number[] = [];
    await network.simulate(many.subarray(0, 3 * 3 * 32 * 32), {
      ...options,
      timesteps: 5,
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const failing = network.simulate(many, {
      ...options,
      onProgress: () => {
        throw new Error('mine');
      },
    });
    await expect(failing).rejects.toThrow('mine');
    const controller = new AbortController();
    const aborted = outcome(() => network.simulate(many, { ...options, signal: controller.signal }));
    await sleep(50);
    controller.abort();
    expect(await aborted).toBe('ERR_ABORTED');
    expect(await outcome(() => simulateAborted(network, many))).toBe('ERR_ABORTED');
  });
});

/** With a signal that has fired before the call. */
function simulateAborted(network: Network, many: Uint8Array): Promise<unknown> {
  return network.simulate(many, { code: 'tsc', timesteps: 4, signal: AbortSignal.abort() });
}
