// A network with a code through the public API: traces, files, conversion, training that resumes, and what it refuses.
import { join } from 'node:path';
import { exportOnnx, Network, type Code, type CodedNetworkDescription } from '../../../lib';
import { SeededRandom } from '../../../lib/data';
import { temporaryFolder } from '../../helpers/command-line';

const folder = temporaryFolder();
const IMAGES = 12;
const random = new SeededRandom(7);
const pixels = Uint8Array.from({ length: IMAGES * 2 * 8 * 8 }, () => random.below(256));
const labels = Int32Array.from({ length: IMAGES }, () => random.below(4));
const optimizer = { kind: 'adam', learningRate: 0.01 } as const;

const CODES: Code[] = [
  { kind: 'ttfs', window: 8 },
  { kind: 'radix', bits: 4 },
  { kind: 'one-spike-phase', base: 1.4, period: 8 },
];
const described = (code: Code): CodedNetworkDescription => ({
  input: [2, 8, 8],
  code,
  normGroup: 5,
  layers: [
    { type: 'conv', out: 9, bias: true },
    { type: 'maxpool' },
    { type: 'conv', out: 12, norm: 'batch', dropout: 0.2 },
    { type: 'avgpool' },
    { type: 'linear', out: 4, output: true, bias: true },
  ],
});
const open: Network[] = [];
afterEach(() => Promise.all(open.splice(0).map((network) => network.dispose())));
const kept = (network: Network): Network => {
  open.push(network);
  return network;
};
const create = async (code: Code, threads = 1): Promise<Network> =>
  kept(await Network.create(described(code), { backend: 'cpu', seed: 3, threads }));
const train = async (network: Network, steps: number): Promise<void> => {
  for (let i = 0; i < steps; i++) await network.trainStep({ pixels, labels }, { optimizer });
};
const bits = async (network: Network): Promise<Record<string, number[]>> =>
  Object.fromEntries([...(await network.parameters())].map(([name, { data }]) => [name, [...data]]));

describe.each(CODES.map((code) => [code.kind, code] as const))('%s', (kind, code) => {
  test.each([
    ['a bias', { bias: true }],
    ['normalisation', { norm: 'batch' }],
  ] as const)('it takes the weights of a network without a code, the first layer has %s', async (_, first) => {
    const layers = described(code).layers.map((layer, i) =>
      layer.type === 'maxpool'
        ? { type: 'avgpool' as const }
        : i === 0
          ? { ...layer, bias: false, padding: 0, ...first }
          : layer,
    );
    // In mixed the ANN of a network with a code has products of bf16, as any ANN.
    const on = { backend: 'cpu', seed: 8, threads: 1, precision: kind === 'radix' ? 'fp32' : 'mixed' } as const;
    const shared = {
      input: [2, 8, 8] as [number, number, number],
      normGroup: 5,
      mean: [0.4, 0.6],
      std: [0.2, 0.3],
      layers,
    };
    const ann = kept(await Network.create({ ...shared, timesteps: 3 }, on));
    await train(ann, 3);
    const path = join(folder, `plain-${kind}.safetensors`);
    await ann.save(path);
    const network = kept(await Network.create({ ...shared, code }, { ...on, seed: 3 }));
    const before = await bits(network);
    await network.load(path);
    const [after, given] = [await bits(network), await bits(ann)];
    // Radix codes take pixels as they are.
    const changed = kind === 'radix' ? /^layers\.0\.(weight|bias|norm\.running_mean)$/ : /^$/;
    for (const [name, values] of Object.entries(after))
      if (!changed.test(name))
        expect(values).toEqual(/\.(step|time_constant|delay)$/.test(name) ? before[name] : given[name]);
    expect(after['layers.0.weight']).not.toEqual(before['layers.0.weight']);
    // Multiples of 17 are numbers of four bits.
    const rounded = pixels.map((byte) => 17 * (byte >> 4));
    const [wanted, logits] = await Promise.all(
      [ann, network].map(async (each) => (await each.forward(rounded, { mode: 'ann' })).logits),
    );
    if (kind === 'radix') for (const [i, value] of wanted!.entries()) expect(logits![i]).toBeCloseTo(value, 4);
    else expect(logits).toEqual(wanted);
    // The other way a threshold is missing.
    await network.save(path);
    await expect(ann.load(path)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });

  test('its trace has the codes of hidden layers, and its spikes are counted', async () => {
    const network = await create(code);
    const { codes, spikeTimes, stats } = await network.forward(pixels, { trace: true });
    expect([...codes!.keys()]).toEqual(['layers.0', 'layers.2']);
    expect(codes!.get('layers.0')).toHaveLength(IMAGES * 9 * 64);
    expect(codes!.get(2)).toHaveLength(IMAGES * 12 * 16);
    expect(spikeTimes!.size).toBe(0);
    const most = code.kind === 'ttfs' ? code.window + 1 : code.kind === 'radix' ? 15 : code.period;
    const counted = [...codes!.values()].map((bytes) => {
      expect(Math.max(...bytes)).toBeLessThanOrEqual(most);
      expect(new Set(bytes).size).toBeGreaterThan(3);
      const ones = (byte: number): number => byte.toString(2).replaceAll('0', '').length;
      return bytes.reduce((sum, byte) => sum + (kind === 'radix' ? ones(byte) : Number(byte > 0)), 0);
    });
    expect([...stats.spikes]).toEqual(counted);
  });

  test('a model file holds it', async () => {
    const network = await create(code);
    await train(network, 2);
    const path = join(folder, `${kind}.safetensors`);
    await network.save(path);
    const read = kept(await Network.open(path, { backend: 'cpu', threads: 2 }));
    expect(read.description).toEqual(network.description);
    expect(await bits(read)).toEqual(await bits(network));
    expect([...(await read.forward(pixels)).logits]).toEqual([...(await network.forward(pixels)).logits]);
  });

  test('training goes on bit-identically from parameters and optimiser state, with any number of threads', async () => {
    const [whole, first, second] = [await create(code), await create(code, 2), await create(code)];
    await train(whole, 5);
    await train(first, 2);
    await second.setParameters(await first.parameters());
    await second.setOptimizerState(await first.optimizerState());
    await train(second, 3);
    expect(await bits(second)).toEqual(await bits(whole));
  });

  test('training lowers the loss and moves the parameters of the code', async () => {
    const network = await create(code);
    await network.calibrate({ pixels }, { percentile: 99 });
    const before = await bits(network);
    const { loss } = await network.evaluate({ pixels, labels });
    await train(network, 40);
    expect((await network.evaluate({ pixels, labels })).loss).toBeLessThan(0.7 * loss);
    const after = await bits(network);
    for (const name of Object.keys(after).filter((of) => /time_constant|delay|step/.test(of)))
      if (!name.endsWith('delay')) expect(after[name]).not.toEqual(before[name]);
  });

  test('a conversion puts what the code can hold where the activations of the ANN are', async () => {
    const network = await create(code);
    const logits = [...(await network.forward(pixels, { mode: 'ann' })).logits];
    await network.calibrate({ pixels }, { percentile: 100, scale: 1 });
    const after = [...(await network.forward(pixels, { mode: 'ann' })).logits];
    for (const [i, logit] of logits.entries()) expect(after[i]).toBeCloseTo(logit, 4);
    const { codes } = await network.forward(pixels, { trace: true });
    const largest = kind === 'radix' ? 15 : 1;
    // The largest activation of the first layer is exactly the largest number that it sends.
    const first = codes!.get(0)!.filter((byte) => byte > 0);
    expect(kind === 'radix' ? Math.max(...first) : Math.min(...first)).toBe(largest);
    const parameters = await bits(network);
    if (kind === 'radix') {
      const { codes: half } = await network
        .calibrate({ pixels }, { percentile: 100, scale: 0.5 })
        .then(() => network.forward(pixels, { trace: true }));
      expect((await bits(network))['layers.0.step']![0]).toBeCloseTo(parameters['layers.0.step']![0]! / 2, 6);
      expect(half!.get(0)!.filter((byte) => byte === 15).length).toBeGreaterThan(
        first.filter((byte) => byte === 15).length,
      );
    }
  });

  test.each<[string, (network: Network) => Promise<unknown>]>([
    ['early exit', (network) => network.forward(pixels, { earlyExit: true })],
    ['early exit of an evaluation', (network) => network.evaluate({ pixels, labels }, { earlyExit: true })],
    ['potentials', (network) => network.forward(pixels, { potentials: true })],
    ['anytime predictions', (network) => network.anytime(new Float32Array(4))],
    ['binary activations', (network) => network.evaluate({ pixels, labels }, { mode: 'binary' })],
  ])('refuses %s', async (_, call) => {
    await expect(call(await create(code))).rejects.toMatchObject({ code: 'ERR_ARG' });
  });
});

test.each<[Code, string, number]>([
  [CODES[0]!, 'layers.0.time_constant', 0.2],
  [CODES[0]!, 'layers.0.time_constant', 1001],
  [CODES[0]!, 'layers.0.delay', 1e5],
  [CODES[1]!, 'layers.0.step', 0],
  [CODES[1]!, 'layers.2.step', NaN],
])('%j refuses %s = %p', async (code, name, value) => {
  const network = await create(code);
  await expect(network.setParameters({ [name]: Float32Array.of(value) })).rejects.toMatchObject({ code: 'ERR_ARG' });
});

test('simulations and exchange formats refuse a code by name', async () => {
  const network = await create(CODES[0]!);
  const refused = { code: 'ERR_ARG', message: expect.stringContaining('a network without a code') };
  await expect(network.simulate(pixels, { code: 'rate', timesteps: 4 })).rejects.toMatchObject(refused);
  await expect(exportOnnx(network, join(folder, 'coded.onnx'))).rejects.toMatchObject(refused);
});
