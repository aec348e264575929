// Networks whose weights follow from genes: descriptions, tensors, gradients, files and refusals.
import { join } from 'node:path';
import { Network, resolveNetwork, type NetworkDescription } from '../../../../lib';
import { countOperations } from '../../../../lib/energy';
import { foldNorm, foldPools } from '../../../../lib/model/fold';
import { geneCompression, withoutGenes, withoutGeneTensors } from '../../../../lib/model/genes/genes';
import { readModel, writeModel } from '../../../../lib/model/model-file';
import type { FloatTensor } from '../../../../lib/model/parameters';
import { parameterCount, parameterShapes } from '../../../../lib/model/shapes';
import { temporaryFolder } from '../../../helpers/command-line';

const folder = temporaryFolder();
const G = 3;
const description: NetworkDescription = {
  input: [2, 8, 8],
  timesteps: 3,
  layers: [
    { type: 'conv', out: 4 },
    { type: 'avgpool' },
    { type: 'conv', out: 5, bias: true },
    { type: 'conv', out: 3, kernel: 1, padding: 0 },
    { type: 'linear', out: 4, output: true },
  ],
  genes: { count: G },
};
const pixels = Uint8Array.from({ length: 4 * 2 * 64 }, (_, i) => (i * 73 + (i >> 3) * 19) % 256);
const labels = [0, 1, 2, 3];
const refusal = (code: string, text: RegExp): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(text) });

async function withNetwork<T>(work: (network: Network) => Promise<T>, seed = 1, of = description): Promise<T> {
  const network = await Network.create(of, { backend: 'cpu', seed, threads: 1 });
  try {
    return await work(network);
  } finally {
    await network.dispose();
  }
}

/** W[o, c, u] = s * sum over g, h of X[o, g] O[u, g, h] Y[c, h]. */
function grown(tensors: ReadonlyMap<string, FloatTensor>, layer: number, before: number, side: number): Float64Array {
  const of = (name: string): Float32Array => tensors.get(name)!.data;
  const [x, y, between] = [of(`layers.${layer}.genes`), of(`layers.${before}.genes`), of(`genes.${side}x${side}`)];
  const [outputs, inputs, taps] = [x.length / G, y.length / G, side * side];
  const weight = new Float64Array(outputs * inputs * taps);
  for (let o = 0; o < outputs; o++)
    for (let c = 0; c < inputs; c++)
      for (let u = 0; u < taps; u++)
        for (let g = 0; g < G; g++)
          for (let h = 0; h < G; h++)
            weight[(o * inputs + c) * taps + u]! +=
              of(`layers.${layer}.gene_scale`)[0]! * x[o * G + g]! * between[(u * G + g) * G + h]! * y[c * G + h]!;
  return weight;
}

describe('a network with genes', () => {
  test('and pools before its neurons: genes make the kernels before pooling, and folded ones have none', async () => {
    const pooled: NetworkDescription = {
      ...description,
      layers: [
        { type: 'conv', out: 4, pool: 2 },
        { type: 'conv', out: 5, bias: true, pool: 2 },
        { type: 'conv', out: 3, kernel: 1, padding: 0 },
        { type: 'linear', out: 4, output: true },
      ],
    };
    await withNetwork(
      async (network) => {
        const tensors = await network.parameters();
        expect(tensors.get('genes.3x3')!.shape).toEqual([9, G, G]);
        expect(tensors.get('layers.1.weight')!.shape).toEqual([5, 4, 3, 3]);
        const weight = grown(tensors, 1, 0, 3);
        tensors.get('layers.1.weight')!.data.forEach((value, i) => expect(value).toBeCloseTo(weight[i]!, 5));
        const folded = await foldPools(network.description, tensors);
        expect(folded.network.genes).toBeUndefined();
        expect(folded.network.layers.map(({ kernel, pool }) => [kernel, pool])).toContainEqual([4, 1]);
        expect([...folded.tensors.keys()].filter((name) => name.includes('gene'))).toEqual([]);
        await withNetwork(
          async (plain) => {
            await plain.setParameters(folded.tensors);
            expect((await plain.forward(pixels)).logits).toEqual((await network.forward(pixels)).logits);
          },
          1,
          folded.network,
        );
      },
      1,
      pooled,
    );
  });

  test('has genes for every convolution, weights of its own in the first, and one interaction for a kernel', async () => {
    const network = resolveNetwork(description);
    const shapes = parameterShapes(network);
    const genes = shapes.filter(({ name }) => name.includes('gene'));
    expect(genes).toEqual([
      { name: 'layers.0.genes', shape: [4, G] },
      { name: 'layers.2.genes', shape: [5, G] },
      { name: 'layers.2.gene_scale', shape: [] },
      { name: 'layers.3.genes', shape: [3, G] },
      { name: 'layers.3.gene_scale', shape: [] },
      { name: 'genes.1x1', shape: [1, G, G] },
      { name: 'genes.3x3', shape: [9, G, G] },
    ]);
    const numbers = ({ shape }: { shape: number[] }): number => shape.reduce((product, side) => product * side, 1);
    const derived = ['layers.2.weight', 'layers.3.weight'];
    const trained = shapes.filter(({ name }) => !derived.includes(name));
    expect(parameterCount(network)).toBe(trained.reduce((sum, shape) => sum + numbers(shape), 0));
    expect(geneCompression(network)).toEqual({
      genes: 4 * 2 * 9 + 12 * G + 2 + 10 * G * G,
      weights: 4 * 2 * 9 + 5 * 4 * 9 + 3 * 5,
      saved: 1 - (72 + 36 + 2 + 90) / (72 + 180 + 15),
    });
    await withNetwork(async (net) => expect([...(await net.parameters()).keys()]).toEqual(shapes.map((s) => s.name)));
  });

  test('computes with the weights that follow, also after genes were set, and counts their operations', async () => {
    const expectGrown = (tensors: ReadonlyMap<string, FloatTensor>): void => {
      for (const [layer, before, side] of [
        [2, 0, 3],
        [3, 2, 1],
      ] as const)
        grown(tensors, layer, before, side).forEach((value, i) =>
          expect(Math.abs(tensors.get(`layers.${layer}.weight`)!.data[i]! - value)).toBeLessThan(1e-6),
        );
    };
    await withNetwork(async (net) => {
      expectGrown(await net.parameters());
      await net.setParameters(new Map([['genes.3x3', Float32Array.from({ length: 81 }, (_, i) => Math.sin(i))]]));
      const tensors = await net.parameters();
      expectGrown(tensors);
      const { logits, spikeTimes } = await net.forward(pixels, { trace: true });
      const dense = withoutGenes(resolveNetwork(description));
      await withNetwork(
        async (other) => {
          await other.setParameters(withoutGeneTensors(tensors));
          expect((await other.forward(pixels)).logits).toEqual(logits);
        },
        2,
        dense,
      );
      const counts = countOperations(net.description, pixels, spikeTimes!);
      expect(counts).toEqual(countOperations(dense, pixels, spikeTimes!));
    });
  });

  test.each(['ann', 'snn', 'binary'] as const)(
    'gives gradients of its genes and none of the weights: %s',
    async (mode) => {
      await withNetwork(async (net) => {
        const { gradients } = await net.gradients(pixels, labels, { mode });
        expect([...gradients.keys()]).toEqual(
          parameterShapes(resolveNetwork(description))
            .map(({ name }) => name)
            .filter((name) => name !== 'layers.2.weight' && name !== 'layers.3.weight'),
        );
        if (mode !== 'ann') return;
        // A central difference of the loss, which 32 bits hold to seven digits.
        for (const name of ['genes.3x3', 'layers.0.genes', 'layers.2.genes', 'layers.3.gene_scale']) {
          const start = (await net.parameters({ names: [name] })).get(name)!.data;
          const gradient = gradients.get(name)!;
          const at = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best]!) ? i : best), 0);
          const lossAt = async (change: number): Promise<number> => {
            await net.setParameters(new Map([[name, start.map((value, i) => (i === at ? value + change : value))]]));
            return (await net.gradients(pixels, labels, { mode })).loss;
          };
          const h = 2e-3 * Math.max(0.1, Math.abs(start[at]!));
          const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
          await lossAt(0);
          expect(Math.abs(slope / gradient[at]! - 1)).toBeLessThan(0.02);
        }
      });
    },
  );

  test('is saved with weights that any program reads, and opens with the same numbers', async () => {
    const path = join(folder, 'genes.safetensors');
    await withNetwork(async (net) => {
      const options = { mode: 'ann', optimizer: { kind: 'adam', learningRate: 0.01 } } as const;
      for (let i = 0; i < 3; i++) await net.trainStep({ pixels, labels }, options);
      await net.save(path);
      const { logits } = await net.forward(pixels);
      const whole = await net.parameters();
      const file = await readModel(path);
      expect(file.network.genes).toEqual({ count: G });
      expect(file.tensors).toEqual(whole);
      const opened = await Network.open(path, { backend: 'cpu' });
      expect((await opened.forward(pixels)).logits).toEqual(logits);
      await opened.dispose();
      // A dense network takes the weights alone.
      await withNetwork(
        async (dense) => {
          await dense.load(path);
          expect((await dense.forward(pixels)).logits).toEqual(logits);
          const other = join(folder, 'dense.safetensors');
          await dense.save(other);
          await expect(net.load(other)).rejects.toEqual(refusal('ERR_SHAPE', /layers\.0\.genes .* another network/));
        },
        2,
        withoutGenes(resolveNetwork(description)),
      );
    });
  });

  test('continues from the state of its optimiser bit-identically', async () => {
    const options = { mode: 'snn', optimizer: { kind: 'adamw', learningRate: 0.01, ema: 0.5 } } as const;
    await withNetwork(async (whole) => {
      for (let i = 0; i < 2; i++) await whole.trainStep({ pixels, labels }, options);
      const [parameters, state] = [await whole.parameters(), await whole.optimizerState()];
      expect([...state.slots.keys()].filter((name) => /slot.*\.layers\.[23]\.weight/.test(name))).toEqual([]);
      await withNetwork(async (second) => {
        await second.setParameters(parameters);
        await second.setOptimizerState(state);
        for (const net of [whole, second]) await net.trainStep({ pixels, labels }, options);
        expect(await second.parameters()).toEqual(await whole.parameters());
        expect(await second.parameters({ averaged: true })).toEqual(await whole.parameters({ averaged: true }));
      }, 5);
    });
  });

  test('loses its genes where every channel of its weights takes a factor of its own', async () => {
    const normalised = resolveNetwork({
      ...description,
      layers: description.layers.map((layer) => (layer.type === 'conv' ? { ...layer, norm: 'batch' as const } : layer)),
    });
    await withNetwork(
      async (net) => {
        const { logits } = await net.forward(pixels, { mode: 'ann' });
        const folded = await foldNorm(net.description, await net.parameters());
        expect(folded.network.genes).toBeUndefined();
        await writeModel(join(folder, 'folded.safetensors'), folded.network, folded.tensors);
        const dense = await Network.open(join(folder, 'folded.safetensors'), { backend: 'cpu' });
        (await dense.forward(pixels, { mode: 'ann' })).logits.forEach((value, i) =>
          expect(Math.abs(value - logits[i]!)).toBeLessThan(1e-5),
        );
        await dense.dispose();
      },
      1,
      normalised,
    );
  });
});

describe('refused by name', () => {
  test.each<[object, RegExp]>([
    [{ genes: 4 }, /for genes but received 4/],
    [{ genes: { count: 0 } }, /from 1 to 4096 for genes\.count but received 0/],
    [{ genes: { count: 2.5 } }, /genes\.count but received 2\.5/],
    [{ genes: { counts: 2 } }, /unknown key 'counts' \(did you mean 'count'\?\)/],
    [
      { genes: { count: 2 }, layers: [{ type: 'conv', out: 3 }, description.layers.at(-1)] },
      /no convolution follows the first one, which has weights of its own\) for genes/,
    ],
  ])('%j', (change, message) =>
    expect(() => resolveNetwork({ ...description, ...change })).toThrow(refusal('ERR_ARG', message) as Error),
  );

  test('weights without their genes, and scales that are not positive', async () => {
    await withNetwork(async (net) => {
      const before = await net.parameters();
      const set = (name: string, data: Float32Array): Promise<void> => net.setParameters(new Map([[name, data]]));
      await expect(set('layers.2.weight', new Float32Array(180))).rejects.toEqual(
        refusal('ERR_ARG', /no layers\.2\.weight without layers\.2\.gene_scale and the other genes/),
      );
      await expect(set('layers.2.gene_scale', Float32Array.of(-1))).rejects.toEqual(
        refusal('ERR_ARG', /from 2\^-20 to 2\^20 for layers\.2\.gene_scale but received -1/),
      );
      await expect(set('layers.4.genes', new Float32Array(1))).rejects.toEqual(
        refusal('ERR_ARG', /'layers\.4\.genes'/),
      );
      await expect(set('genes.3x3', new Float32Array(9))).rejects.toEqual(
        refusal('ERR_SHAPE', /\[9, 3, 3\] for genes\.3x3/),
      );
      expect(await net.parameters()).toEqual(before);
    });
  });
});
