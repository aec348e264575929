// Genes fitted to weights: what is left, what changes and what does not, and everything that is refused.
import { encodeGenes, Network, type FloatTensor, type NetworkDescription } from '../../../../lib';

const description: NetworkDescription = {
  input: [2, 6, 6],
  timesteps: 2,
  layers: [
    { type: 'conv', out: 12, norm: 'batch' },
    { type: 'conv', out: 10, bias: true },
    { type: 'conv', out: 14, kernel: 1, padding: 0 },
    { type: 'conv', out: 8 },
    { type: 'linear', out: 3, output: true },
  ],
};
const genetic = [1, 2, 3];
const count = 6;
const create = (genes: number | undefined, seed: number): Promise<Network> =>
  Network.create(
    { ...description, ...(genes === undefined ? {} : { genes: { count: genes } }) },
    { backend: 'cpu', threads: 1, seed },
  );

const meanSquare = ({ data }: FloatTensor): number => data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
const weightOf = (index: number): string => `layers.${index}.weight`;

/** The squared distance over the mean square of each layer, of all layers, as a share of that of zeros. */
function left(weights: ReadonlyMap<string, FloatTensor>, wanted: ReadonlyMap<string, FloatTensor>): number {
  let [distance, all] = [0, 0];
  for (const index of genetic) {
    const target = wanted.get(weightOf(index))!;
    const { data } = weights.get(weightOf(index))!;
    const size = meanSquare(target);
    data.forEach((weight, i) => (distance += (weight - target.data[i]!) ** 2 / size));
    all += data.length;
  }
  return distance / all;
}

let dense: Network;
let wanted: Map<string, FloatTensor>;
let network: Network;
beforeAll(async () => {
  dense = await create(undefined, 1);
  wanted = await dense.parameters();
  // Layers of very different sizes count alike.
  wanted.get(weightOf(2))!.data.forEach((weight, i, data) => (data[i] = 300 * weight));
  await dense.setParameters(wanted);
});
beforeEach(async () => {
  network = await create(count, 2);
});
afterEach(() => network.dispose());
afterAll(() => dense.dispose());

test('the residual is what the weights that follow leave, and more steps leave less', async () => {
  const residuals: number[] = [];
  for (const steps of [1, 30, 400]) {
    const { residual } = await network.fitGenes(wanted, { steps });
    expect(residual).toBeCloseTo(left(await network.parameters(), wanted), 5);
    residuals.push(residual);
  }
  expect(residuals[0]).toBeGreaterThan(residuals[1]!);
  expect(residuals[1]).toBeGreaterThan(residuals[2]!);
  expect(residuals[2]).toBeLessThan(0.9);
});

test('weights that follow from as many genes are found', async () => {
  await using other = await create(count, 7);
  const weights = await other.parameters();
  const { residual } = await network.fitGenes(weights, { steps: 4000 });
  expect(residual).toBeLessThan(1e-3);
  expect(left(await network.parameters(), weights)).toBeLessThan(1e-3);
}, 60_000);

test('genes end even, interactions with a mean square of 1, and nothing else changes', async () => {
  const before = await network.parameters();
  await network.fitGenes(wanted, { steps: 50 });
  const after = await network.parameters();
  for (const name of ['genes.1x1', 'genes.3x3']) expect(meanSquare(after.get(name)!)).toBeCloseTo(1, 5);
  // Of equal interactions, s G sqrt(v v') is the deviation of weights, and v the geometric mean over both users of X.
  const size = (index: number): number => Math.sqrt(meanSquare(after.get(`layers.${index}.genes`)!));
  const deviations = genetic.map(
    (index) => after.get(`layers.${index}.gene_scale`)!.data[0]! * count * size(index - 1) * size(index),
  );
  expect(size(0)).toBeCloseTo(deviations[0]!, 5);
  expect(size(1)).toBeCloseTo(Math.sqrt(deviations[0]! * deviations[1]!), 5);
  expect(size(2)).toBeCloseTo(Math.sqrt(deviations[1]! * deviations[2]!), 5);
  expect(size(3)).toBeCloseTo(deviations[2]!, 5);
  for (const [name, tensor] of before)
    if (!name.includes('gene') && !genetic.map(weightOf).includes(name)) expect(after.get(name)).toEqual(tensor);
});

test('a call with the same network, weights and steps gives the same bits, an optimiser begins anew', async () => {
  await using same = await create(count, 2);
  const pixels = new Uint8Array(2 * 2 * 36).map((_, i) => i);
  const batch = { pixels, labels: [0, 1] };
  await same.trainStep(batch, { mode: 'ann', optimizer: { kind: 'adam', learningRate: 0, ema: 0.5 } });
  const statistics = [...(await same.parameters())].filter(([name]) => name.includes('running'));
  await network.setParameters(new Map(statistics));
  await Promise.all([network, same].map((each) => each.fitGenes(wanted, { steps: 20 })));
  expect(await same.parameters()).toEqual(await network.parameters());
  expect(await same.optimizerState()).toEqual({
    slots: new Map(),
    counters: { optimizerSteps: 0, randomStep: same.counters().randomStep, activity: 0 },
  });
});

test('it can be stopped, and tells how far it is; the genes stay what they were', async () => {
  const before = await network.parameters();
  const controller = new AbortController();
  const seen: number[] = [];
  const stopped = network.fitGenes(wanted, {
    steps: 1_000_000,
    signal: controller.signal,
    onProgress: ({ done, total }) => {
      expect(total).toBe(1_000_000);
      if (seen.push(done) === 3) controller.abort();
    },
  });
  await expect(network.fitGenes(wanted)).rejects.toMatchObject({ code: 'ERR_BUSY' });
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(seen[2]).toBeGreaterThan(seen[0]!);
  expect(await network.parameters()).toEqual(before);
  const failing = network.fitGenes(wanted, {
    steps: 1_000_000,
    onProgress: () => {
      throw new RangeError('the display is gone');
    },
  });
  await expect(failing).rejects.toThrow(new RangeError('the display is gone'));
  expect(await network.parameters()).toEqual(before);
  await expect(network.fitGenes(wanted, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
  expect(await network.parameters()).toEqual(before);
});

test('it can be stopped before its first step, while 400 genes become orthogonal', async () => {
  await using large = await create(400, 3);
  const before = await large.parameters();
  const job = large.fitGenes(wanted, { steps: 1, signal: AbortSignal.timeout(30) });
  await expect(job).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(await large.parameters()).toEqual(before);
});

const without = (name: string): Map<string, FloatTensor> => new Map([...wanted].filter(([each]) => each !== name));
const replaced = (name: string, data: Float32Array): Map<string, FloatTensor> =>
  new Map([...wanted, [name, { shape: [data.length], data }]]);

test.each<[string, () => unknown, object, string, string]>([
  ['a missing tensor', () => without(weightOf(2)), {}, 'ERR_SHAPE', 'Expected a tensor layers.2.weight'],
  ['another size', () => replaced(weightOf(1), new Float32Array(5)), {}, 'ERR_SHAPE', 'for layers.1.weight'],
  [
    'what is not finite',
    () => replaced(weightOf(3), new Float32Array(14 * 8 * 9).fill(NaN, 7)),
    {},
    'ERR_ARG',
    'Expected finite numbers for layers.3.weight[7] but received NaN',
  ],
  ['no tensors', () => 5, {}, 'ERR_ARG', 'Expected a Map or an object of Float32Array for weights'],
  ['no steps', () => wanted, { steps: 0 }, 'ERR_ARG', 'Expected an integer from 1 to 1000000 for steps'],
  ['half a step', () => wanted, { steps: 1.5 }, 'ERR_ARG', 'for steps but received 1.5'],
  ['an unknown option', () => wanted, { step: 3 }, 'ERR_ARG', 'step'],
  ['no function', () => wanted, { onProgress: 3 }, 'ERR_ARG', 'Expected a function for onProgress'],
  [
    'weights beyond every scale',
    () =>
      replaced(
        weightOf(1),
        wanted.get(weightOf(1))!.data.map((weight) => weight * 1e-30),
      ),
    { steps: 2 },
    'ERR_STATE',
    'for layers.1.gene_scale',
  ],
])('%s is refused, and the genes stay what they were', async (_, weights, options, code, message) => {
  const before = await network.parameters();
  await expect((async () => network.fitGenes(weights() as Map<string, FloatTensor>, options))()).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
  expect(await network.parameters()).toEqual(before);
});

test('genes without full rank and networks without genes are refused', async () => {
  const genes = (await network.parameters()).get('layers.1.genes')!;
  await network.setParameters({ 'layers.1.genes': genes.data.fill(0) });
  await expect(network.fitGenes(wanted)).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringContaining('Expected layers.1.genes of full rank'),
  });
  await expect((async () => dense.fitGenes(wanted))()).rejects.toMatchObject({ code: 'ERR_ARG' });
});

test('a layer of zeros has genes too, a network of zeros has nothing to fit them to', async () => {
  const zeros = new Map<string, FloatTensor>(
    [...wanted].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]),
  );
  await expect(network.fitGenes(zeros)).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: 'Expected weights to fit genes to but all of them are 0',
  });
  zeros.set(weightOf(1), wanted.get(weightOf(1))!);
  const { residual } = await network.fitGenes(zeros, { steps: 100 });
  expect(Number.isFinite(residual)).toBe(true);
});

describe('encodeGenes', () => {
  test('everything but the weights that follow from genes is that of the network', async () => {
    const { network: encoded, residual } = await encodeGenes(dense, count, { steps: 200, backend: 'cpu', seed: 2 });
    const after = await encoded.parameters();
    expect(encoded.description).toEqual({ ...dense.description, genes: { count } });
    expect(residual).toBeCloseTo(left(after, wanted), 5);
    for (const [name, tensor] of wanted)
      if (!genetic.map(weightOf).includes(name)) expect(after.get(name)).toEqual(tensor);
    expect(await dense.parameters()).toEqual(wanted);
    await network.setParameters(new Map([...wanted].filter(([name]) => !genetic.map(weightOf).includes(name))));
    await network.fitGenes(wanted, { steps: 200 });
    expect(await network.parameters()).toEqual(after);
    await encoded.dispose();
  });

  test('a network with genes can have others', async () => {
    const { network: encoded } = await encodeGenes(network, 9, { steps: 5, backend: 'cpu' });
    expect(encoded.description.genes).toEqual({ count: 9 });
    await encoded.dispose();
  });

  test.each<[string, number, object, string]>([
    ['no genes', 0, {}, 'ERR_ARG'],
    ['no number of steps', count, { steps: -1 }, 'ERR_ARG'],
    ['an unknown option', count, { genes: 3 }, 'ERR_ARG'],
    ['a signal that has fired', count, { signal: AbortSignal.abort() }, 'ERR_ABORTED'],
  ])('%s is refused', async (_, genes, options, code) => {
    await expect(encodeGenes(dense, genes, { backend: 'cpu', ...options })).rejects.toMatchObject({ code });
    expect(await dense.parameters()).toEqual(wanted);
  });
});
