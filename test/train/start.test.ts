// How convolutions begin: a first layer that whitens, others that hand on their channels, even and orthogonal genes,
// and where none of it is possible.
import { join } from 'node:path';
import { Network, type FloatTensor, type NetworkDescription } from '../../lib';
import { SeededRandom } from '../../lib/data';
import { Pace } from '../../lib/model/scan';
import { parseConfig, resolveConfig } from '../../lib/train/config/config';
import { resume, train } from '../../lib/train/loop/train';
import type { TrainConfigInput } from '../../lib/train/config/config';
import { eigenOf } from '../../lib/train/start/eigen';
import { checkWhitening, plainStart, setStart, type StartOptions } from '../../lib/train/start/start';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect, leaveIn, modelBytes } from '../helpers/runs';

const folder = temporaryFolder();
const random = new SeededRandom(7);
const images = 40;
const side = 8;
// Neighbours that are alike, as in a picture.
const pixels = new Uint8Array(images * 2 * side * side);
pixels.forEach(
  (_, i) => (pixels[i] = i % side === 0 ? random.below(256) : (pixels[i - 1]! * 3 + random.below(256)) / 4),
);
const rows = Uint32Array.from({ length: images }, (_, i) => i);
const description: NetworkDescription = {
  input: [2, side, side],
  timesteps: 2,
  layers: [
    { type: 'conv', out: 40, padding: 0 },
    { type: 'conv', out: 50 },
    { type: 'conv', out: 30, kernel: 5 },
    { type: 'linear', out: 3, output: true },
  ],
};

test('eigenvectors have length 1, are orthogonal, and rebuild the matrix', async () => {
  const size = 12;
  const half = Float64Array.from({ length: size * size }, () => random.next() / 2 ** 32 - 0.5);
  const matrix = half.map((_, at) => half[at]! + half[(at % size) * size + Math.floor(at / size)]!);
  const { values, vectors } = await eigenOf(Float64Array.from(matrix), size, new Pace());
  expect([...values]).toEqual([...values].sort((a, b) => b - a));
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) {
      const product = vectors[i]!.reduce((sum, value, k) => sum + value * vectors[j]![k]!, 0);
      expect(product).toBeCloseTo(i === j ? 1 : 0, 12);
      const rebuilt = values.reduce((sum, value, k) => sum + value * vectors[k]![i]! * vectors[k]![j]!, 0);
      expect(rebuilt).toBeCloseTo(matrix[i * size + j]!, 12);
    }
});

test('a whitened layer has uncorrelated outputs of the same size and of either sign; rows beyond them are random', async () => {
  const network = await Network.create(description, { backend: 'cpu', seed: 1, threads: 1 });
  const before = await network.parameters();
  await setStart(network, { ...plainStart, whitening: true }, { pixels }, rows);
  const after = await network.parameters();
  const weights = after.get('layers.0.weight')!.data;
  const inputs = 2 * 9;
  expect(weights.slice(2 * inputs * inputs)).toEqual(before.get('layers.0.weight')!.data.slice(2 * inputs * inputs));
  expect(after.get('layers.1.weight')).toEqual(before.get('layers.1.weight'));
  const { mean, std } = network.description;
  const products = new Float64Array(inputs * inputs);
  let patches = 0;
  for (let n = 0; n < images; n++)
    for (let y = 0; y + 3 <= side; y++)
      for (let x = 0; x + 3 <= side; x++, patches++) {
        const patch = Array.from({ length: inputs }, (_, i) => {
          const c = Math.floor(i / 9);
          const at = ((n * 2 + c) * side + y + Math.floor((i % 9) / 3)) * side + x + (i % 3);
          return (pixels[at]! / 255 - mean[c]!) / std[c]!;
        });
        const out = Array.from({ length: inputs }, (_, i) =>
          patch.reduce((sum, value, j) => sum + value * weights[2 * i * inputs + j]!, 0),
        );
        out.forEach((a, i) => out.forEach((b, j) => (products[i * inputs + j]! += a * b)));
      }
  // On the diagonal is lambda / (lambda + epsilon), from 1 down to 0.94 for the smallest.
  products.forEach((sum, at) => {
    const isDiagonal = at % (inputs + 1) === 0;
    expect(sum / patches).toBeCloseTo(isDiagonal ? 0.97 : 0, isDiagonal ? 1 : 4);
  });
  for (let i = 0; i < inputs; i++)
    for (let j = 0; j < inputs; j++) expect(weights[(2 * i + 1) * inputs + j]).toBe(-weights[2 * i * inputs + j]!);
  await network.dispose();
});

test('a Dirac layer hands on its channels', async () => {
  const network = await Network.create(description, { backend: 'cpu', seed: 1, threads: 1 });
  const before = await network.parameters();
  await setStart(network, { ...plainStart, whitening: true, dirac: true }, { pixels }, rows);
  const after = await network.parameters();
  for (const [layer, channels, out, taps, middle] of [
    [1, 40, 50, 9, 4],
    [2, 50, 30, 25, 12],
  ] as const) {
    const { data } = after.get(`layers.${layer}.weight`)!;
    const drawn = before.get(`layers.${layer}.weight`)!.data;
    data.forEach((value, i) => {
      const [o, c, tap] = [Math.floor(i / (channels * taps)), Math.floor(i / taps) % channels, i % taps];
      expect(value).toBe(o < channels && o < out ? Number(o === c && tap === middle) : drawn[i]);
    });
  }
  expect(after.get('layers.3.weight')).toEqual(before.get('layers.3.weight'));
  await network.dispose();
});

test.each<[string, Partial<NetworkDescription>, string]>([
  [
    'no convolution',
    { layers: [{ type: 'avgpool' }, ...description.layers.slice(1)] },
    'the first layer is no convolution',
  ],
  [
    'a window without inner patches',
    { layers: [{ type: 'conv', out: 2, kernel: 9 }, description.layers.at(-1)!] },
    'no window',
  ],
  [
    'too many inputs',
    { layers: [{ type: 'conv', out: 2, kernel: 12, padding: 4 }, description.layers.at(-1)!] },
    '288 inputs',
  ],
  ['a code', { code: { kind: 'radix', bits: 4 } }, 'a network with a code'],
])('whitening is refused for %s', async (_, change, why) => {
  const network = await Network.create({ ...description, ...change }, { backend: 'cpu' });
  expect(() => checkWhitening({ ...plainStart, whitening: true }, network.description)).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(`${why}`) }),
  );
  expect(() => checkWhitening({ ...plainStart, dirac: true }, network.description)).not.toThrow();
  await network.dispose();
});

test('even genes have the variance of dense weights, and make the same weights', async () => {
  const network = await Network.create(
    { ...description, genes: { count: 60 } },
    { backend: 'cpu', seed: 1, threads: 1 },
  );
  const before = await network.parameters();
  await setStart(network, { ...plainStart, evenGenes: true }, { pixels }, rows);
  const after = await network.parameters();
  const variances = [2 / 360, Math.sqrt((2 / 360) * (2 / 1250)), 2 / 1250];
  variances.forEach((variance, index) => {
    const name = `layers.${index}.genes`;
    const factor = Math.sqrt(variance * 60);
    after.get(name)!.data.forEach((gene, i) => expect(gene / before.get(name)!.data[i]!).toBeCloseTo(factor, 5));
  });
  for (const name of ['layers.1.weight', 'layers.2.weight']) {
    const { data } = before.get(name)!;
    const largest = Math.max(...data);
    after.get(name)!.data.forEach((weight, i) => expect(Math.abs(weight - data[i]!)).toBeLessThan(1e-5 * largest));
  }
  for (const name of ['layers.0.weight', 'layers.3.weight', 'genes.3x3', 'genes.5x5'])
    expect(after.get(name)).toEqual(before.get(name));
  await network.dispose();
});

describe('orthogonal genes', () => {
  /** All matrices of genes and interactions. */
  const matrices = (
    tensors: ReadonlyMap<string, FloatTensor>,
  ): { height: number; width: number; data: Float32Array }[] =>
    [...tensors].flatMap(([name, { shape, data }]) => {
      if (!name.includes('genes')) return [];
      const [height, width] = shape.slice(-2) as [number, number];
      const size = height * width;
      return Array.from({ length: data.length / size }, (_, i) => ({
        height,
        width,
        data: data.subarray(i * size, (i + 1) * size),
      }));
    });
  const started = async (start: Partial<StartOptions>): Promise<Map<string, FloatTensor>> => {
    await using network = await Network.create(
      { ...description, genes: { count: 45 } },
      { backend: 'cpu', seed: 1, threads: 1 },
    );
    await setStart(network, { ...plainStart, ...start }, { pixels }, rows);
    return await network.parameters();
  };
  // X of 40, 50 and 30 channels, which 45 genes make wide, high and wide, and the taps of kernels of 3 and 5.
  const count = 3 + 9 + 25;

  test('rows, or columns where they are fewer, are orthogonal, of one length, and span what they spanned', async () => {
    const before = matrices(await started({}));
    const after = matrices(await started({ orthogonalGenes: true }));
    expect(after).toHaveLength(count);
    for (const [index, { height, width, data }] of after.entries()) {
      const short = Math.min(height, width);
      const long = Math.max(height, width);
      const vector = (of: Float32Array, k: number, i: number): number =>
        of[height <= width ? k * width + i : i * width + k]!;
      const product = (a: Float32Array, j: number, b: Float32Array, k: number): number => {
        let sum = 0;
        for (let i = 0; i < long; i++) sum += vector(a, j, i) * vector(b, k, i);
        return sum;
      };
      const random = before[index]!.data;
      const square = random.reduce((sum, value) => sum + value * value, 0) / short;
      let [deviation, belowDiagonal, smallest] = [0, 0, Infinity];
      for (let j = 0; j < short; j++)
        for (let k = 0; k < short; k++) {
          deviation = Math.max(deviation, Math.abs(product(data, j, data, k) / square - (j === k ? 1 : 0)));
          const element = product(data, j, random, k) / square;
          if (j > k) belowDiagonal = Math.max(belowDiagonal, Math.abs(element));
          if (j === k) smallest = Math.min(smallest, element);
        }
      expect(deviation).toBeLessThan(1e-5);
      // R is an upper triangular matrix with a positive diagonal.
      expect(belowDiagonal).toBeLessThan(1e-5);
      expect(smallest).toBeGreaterThan(0);
    }
  });

  test('weights keep their variance, and layers without genes their weights', async () => {
    const before = await started({});
    const after = await started({ orthogonalGenes: true });
    const meanSquare = ({ data }: FloatTensor): number =>
      data.reduce((sum, value) => sum + value * value, 0) / data.length;
    for (const [name, inputs] of [
      ['layers.1.weight', 360],
      ['layers.2.weight', 1250],
    ] as const) {
      // Few genes: 9 and 25 matrices of 45 x 45 numbers.
      expect((meanSquare(after.get(name)!) * inputs) / 2).toBeGreaterThan(0.85);
      expect((meanSquare(after.get(name)!) * inputs) / 2).toBeLessThan(1.15);
      expect(after.get(name)).not.toEqual(before.get(name));
    }
    for (const name of ['layers.0.weight', 'layers.3.weight', 'layers.1.gene_scale', 'layers.2.gene_scale'])
      expect(after.get(name)).toEqual(before.get(name));
  });

  test('even genes that are orthogonal make the same weights as orthogonal ones', async () => {
    const plain = await started({ orthogonalGenes: true });
    const even = await started({ orthogonalGenes: true, evenGenes: true });
    expect(even.get('genes.3x3')).toEqual(plain.get('genes.3x3'));
    const differ = (name: string, factor: number): number =>
      even
        .get(name)!
        .data.reduce((most, value, i) => Math.max(most, Math.abs(value - factor * plain.get(name)!.data[i]!)), 0);
    expect(differ('layers.0.genes', Math.sqrt((2 / 360) * 45))).toBeLessThan(1e-6);
    for (const name of ['layers.1.weight', 'layers.2.weight']) expect(differ(name, 1)).toBeLessThan(1e-6);
  });
});

test.each([
  [['start.whitening=1'], 'for start.whitening but received 1'],
  [['start.diraac=true'], "(did you mean 'dirac'?)"],
  [['start.dirac=true', 'init=model.safetensors'], 'Expected false (init gives every weight) for start.dirac'],
  [['start.evenGenes=true', 'init=model.safetensors'], 'for start.evenGenes'],
  [['start.evenGenes=true'], 'Expected false (the network has no genes) for start.evenGenes'],
  [['start.orthogonalGenes=true'], 'Expected false (the network has no genes) for start.orthogonalGenes'],
  [['start.orthogonalGenes=true', 'preset=vgg7-genes', 'init=model.safetensors'], 'for start.orthogonalGenes'],
  [
    ['start.dirac=true', 'preset=vgg7-genes'],
    'Expected false (the weights of convolutions follow from genes) for start.dirac',
  ],
])('the configuration refuses %j', (overrides, text) =>
  expect(() => resolveConfig({}, overrides)).toThrow(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(text) }),
  ),
);

test.each([
  ['start.evenGenes=true', 'preset=vgg7-genes'],
  ['start.orthogonalGenes=true', 'preset=vgg7-genes'],
  ['start.whitening=true', 'preset=vgg7-genes'],
  ['start.dirac=true', 'preset=vgg7'],
])('the configuration takes %s with %s', (...overrides) => expect(() => resolveConfig({}, overrides)).not.toThrow());

test('a run of an older version began at random', () => {
  const { start: _start, ...older } = resolveConfig({});
  expect(parseConfig(older).start).toEqual(plainStart);
});

test('a run begins so, and a resumed one is bit-identical', async () => {
  const run = (name: string): TrainConfigInput =>
    ({
      ...structuredClone(tinyConfig),
      start: { whitening: true, dirac: true },
      convert: { enabled: false },
      snn: { epochs: 0 },
      out: join(folder, name),
    }) as unknown as TrainConfigInput;
  await collect(train(run('whole')));
  await leaveIn(train(run('left'), { progressSeconds: 0 }), 'ann');
  await collect(resume(join(folder, 'left')));
  expect(modelBytes(join(folder, 'left'))).toBe(modelBytes(join(folder, 'whole')));
  await collect(train({ ...(run('plain') as object), start: {} } as TrainConfigInput));
  expect(modelBytes(join(folder, 'plain'))).not.toBe(modelBytes(join(folder, 'whole')));
});
