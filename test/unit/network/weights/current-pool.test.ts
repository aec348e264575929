// Pools before the neuron through the public API: the convolution that a layer and its pool are together has
// bit-identical logits, spikes, operations and simulations, and its gradients are those of the layer, shifted and
// averaged.
import { join } from 'node:path';
import { foldPools, Network, type NetworkDescription } from '../../../../lib';
import { SeededRandom } from '../../../../lib/data';
import { countOperations } from '../../../../lib/energy';
import { temporaryFolder } from '../../../helpers/command-line';

const folder = temporaryFolder();
const IMAGES = 6;
const CLASSES = 4;
const description: NetworkDescription = {
  input: [2, 11, 10],
  timesteps: 3,
  normGroup: 3,
  layers: [
    { type: 'conv', out: 9, bias: true, leak: 1, pool: 2, threshold: 0.3 },
    { type: 'conv', out: 18, stride: 2, padding: 2, pool: 2, threshold: 0.1 },
    { type: 'linear', out: CLASSES, output: true, bias: true },
  ],
};
const random = new SeededRandom(3);
const pixels = Uint8Array.from({ length: IMAGES * 2 * 11 * 10 }, () => random.below(256));
const labels = Int32Array.from({ length: IMAGES }, () => random.below(CLASSES));
const options = { backend: 'cpu', seed: 5, threads: 1 } as const;
const modes = ['ann', 'binary', 'snn'] as const;

/** A network that has learnt a little, and the one that it is without pools. */
async function pair(change: Partial<NetworkDescription> = {}): Promise<{ pooled: Network; folded: Network }> {
  const pooled = await Network.create({ ...description, ...change }, options);
  const optimizer = { kind: 'sgd', learningRate: 0.05, momentum: 0.9 } as const;
  for (const mode of ['ann', 'snn'] as const) await pooled.trainStep({ pixels, labels }, { mode, optimizer });
  const { network, tensors } = await foldPools(pooled.description, await pooled.parameters());
  const folded = await Network.create(network, options);
  await folded.setParameters(tensors);
  return { pooled, folded };
}

async function bits(network: Network): Promise<Record<string, number[]>> {
  return Object.fromEntries([...(await network.parameters())].map(([name, { data }]) => [name, [...data]]));
}

test.each<[string, NetworkDescription['layers'][number], string, string]>([
  ['no text', { type: 'conv', out: 3, pool: '2' as never }, 'ERR_ARG', 'for layers[0].pool but received'],
  ['no window', { type: 'conv', out: 3, pool: 0 }, 'ERR_ARG', 'for layers[0].pool but received 0'],
  ['a fraction', { type: 'conv', out: 3, pool: 1.5 }, 'ERR_ARG', 'for layers[0].pool but received 1.5'],
  ['a pool of a pool', { type: 'avgpool', pool: 2 }, 'ERR_ARG', 'nothing or 1 (an avgpool takes a kernel'],
  ['a pool of a linear layer', { type: 'linear', out: 3, pool: 2 }, 'ERR_ARG', 'nothing or 1 (a linear layer'],
  ['a kernel out of range', { type: 'conv', out: 3, stride: 200, pool: 2 }, 'ERR_ARG', 'for layers[0].pool'],
  ['a window larger than the map', { type: 'conv', out: 3, pool: 11 }, 'ERR_SHAPE', 'its pool included'],
])('refuses %s', (_, layer, code, text) =>
  expect(
    Network.create({ ...description, layers: [layer, description.layers.at(-1)!] }, { backend: 'cpu' }),
  ).rejects.toMatchObject({ code, message: expect.stringContaining(text) }),
);

test('refuses a pool before the neurons of a network with a code', () =>
  expect(
    Network.create(
      {
        input: [2, 8, 8],
        code: { kind: 'radix', bits: 4 },
        layers: [{ type: 'conv', out: 3, pool: 2 }, description.layers.at(-1)!],
      },
      { backend: 'cpu' },
    ),
  ).rejects.toMatchObject({ code: 'ERR_ARG', message: expect.stringContaining('layers[0].pool') }));

test('the ANN averages the outputs of the convolution before the bias and ReLU', async () => {
  const layers = [{ type: 'conv', out: 3, bias: true, pool: 2 } as const, description.layers.at(-1)!];
  const network = await Network.create({ ...description, input: [1, 6, 5], mean: [0], std: [1], layers }, options);
  const image = Uint8Array.from({ length: 30 }, () => random.below(256));
  await network.setParameters({ 'layers.0.bias': Float32Array.of(0.1, -0.2, 0.3) });
  const of = Object.fromEntries([...(await network.parameters())].map(([name, { data }]) => [name, data]));
  const at = (y: number, x: number): number => (y < 0 || y > 5 || x < 0 || x > 4 ? 0 : image[y * 5 + x]! / 255);
  const hidden = Array.from({ length: 3 * 3 * 2 }, (_, i) => {
    const [c, y, x] = [Math.floor(i / 6), Math.floor((i % 6) / 2), i % 2];
    let sum = 0;
    for (let a = 0; a < 2; a++)
      for (let b = 0; b < 2; b++)
        for (let k = 0; k < 9; k++)
          sum += of['layers.0.weight']![9 * c + k]! * at(2 * y + a + Math.floor(k / 3) - 1, 2 * x + b + (k % 3) - 1);
    return Math.max(0, sum / 4 + of['layers.0.bias']![c]!);
  });
  const { logits } = await network.forward(image, { mode: 'ann' });
  logits.forEach((logit, k) => {
    const products = hidden.map((value, i) => value * of['layers.1.weight']![k * hidden.length + i]!);
    expect(logit).toBeCloseTo(products.reduce((sum, product) => sum + product) + of['layers.1.bias']![k]!, 5);
  });
  await network.dispose();
});

test.each([{}, { schedules: true }, { encoder: 'ttfs' as const }])(
  'without pools it is a bit-identical network: %p',
  async (change) => {
    const { pooled, folded } = await pair(change);
    expect(folded.description.layers.map(({ kernel, stride, pool }) => [kernel, stride, pool])).toEqual([
      [4, 2, 1],
      [5, 4, 1],
      [1, 1, 1],
    ]);
    for (const mode of modes) {
      const [one, other] = await Promise.all(
        [pooled, folded].map((network) => network.forward(pixels, { mode, trace: mode === 'snn' })),
      );
      expect(one!.logits).toEqual(other!.logits);
      expect(one!.spikeTimes).toEqual(other!.spikeTimes);
    }
    await pooled.dispose();
    await folded.dispose();
  },
);

test.each(modes)('gradients of mode %s are those of the larger kernels, shifted and averaged', async (mode) => {
  const { pooled, folded } = await pair();
  const one = (await pooled.gradients(pixels, labels, { mode })).gradients;
  const other = (await folded.gradients(pixels, labels, { mode })).gradients;
  expect([...one.keys()]).toEqual([...other.keys()]);
  for (const [name, gradient] of one) {
    const layer = pooled.description.layers[Number(name.split('.')[1])]!;
    const from = other.get(name)!;
    if (!name.endsWith('weight') || layer.pool === 1) {
      expect(gradient).toEqual(from);
      continue;
    }
    const side = layer.kernel + layer.stride;
    expect(from.length / side ** 2).toBe(gradient.length / 9);
    gradient.forEach((value, i) => {
      const [plane, y, x] = [Math.floor(i / 9), Math.floor((i % 9) / 3), i % 3];
      let sum = 0;
      for (const a of [0, layer.stride])
        for (const b of [0, layer.stride]) sum = Math.fround(sum + from[plane * side ** 2 + (y + a) * side + x + b]!);
      expect(value).toBe(sum / 4);
    });
    expect(gradient.some((value) => value !== 0)).toBe(true);
  }
  await pooled.dispose();
  await folded.dispose();
});

test('operations and simulations are those of the larger kernels', async () => {
  const { pooled, folded } = await pair();
  const { spikeTimes } = await pooled.forward(pixels, { trace: true });
  const counted = countOperations(pooled.description, pixels, spikeTimes!);
  expect(counted).toEqual(countOperations(folded.description, pixels, spikeTimes!));
  const [one, other] = await Promise.all(
    [pooled, folded].map((network) => network.simulate(pixels, { code: 'phase', timesteps: 16 })),
  );
  expect(one!.predictions).toEqual(other!.predictions);
  await pooled.dispose();
  await folded.dispose();
});

test('a file keeps the parameters; with the state of the optimiser training continues bit-identically', async () => {
  const step = { pixels, labels };
  const trained = async (network: Network, steps: number): Promise<Network> => {
    const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
    for (let i = 0; i < steps; i++) await network.trainStep(step, { mode: 'snn', optimizer });
    return network;
  };
  const whole = await trained(await Network.create(description, options), 4);
  const stopped = await trained(await Network.create(description, options), 2);
  const path = join(folder, 'network.safetensors');
  await stopped.save(path);
  const continued = await Network.open(path, options);
  expect(continued.description).toEqual(stopped.description);
  expect((await continued.parameters()).get('layers.0.weight')!.shape).toEqual([9, 2, 3, 3]);
  await continued.setOptimizerState(await stopped.optimizerState());
  expect(await bits(await trained(continued, 2))).toEqual(await bits(whole));
  for (const network of [whole, stopped, continued]) await network.dispose();
});
