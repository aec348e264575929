// Batch normalisation through the public API: descriptions, tensors, files, and the network that it is folded into.
import { join } from 'node:path';
import { Network, vgg, type NetworkDescription } from '../../../lib';
import { foldNorm } from '../../../lib/model/fold';
import { SeededRandom } from '../../../lib/data';
import { temporaryFolder } from '../../helpers/command-line';

const folder = temporaryFolder();
const IMAGES = 12;
const description: NetworkDescription = {
  input: [2, 8, 7],
  timesteps: 3,
  normGroup: 5,
  layers: [
    { type: 'conv', out: 9, norm: 'batch', leak: 1 },
    { type: 'avgpool' },
    { type: 'conv', out: 18, bias: true, norm: 'batch', stride: 2 },
    { type: 'linear', out: 11, bias: true },
    { type: 'linear', out: 20, norm: 'batch' },
    { type: 'linear', out: 4, output: true, bias: true },
  ],
};
const random = new SeededRandom(3);
const pixels = Uint8Array.from({ length: IMAGES * 2 * 8 * 7 }, () => random.below(256));
const labels = Int32Array.from({ length: IMAGES }, () => random.below(4));
const optimizer = { kind: 'sgd', learningRate: 0.05, momentum: 0.9, weightDecay: 0.1 } as const;

async function trained(steps: number): Promise<Network> {
  const network = await Network.create(description, { backend: 'cpu', seed: 5, threads: 1 });
  for (let i = 0; i < steps; i++) await network.trainStep({ pixels, labels }, { mode: 'ann', optimizer });
  return network;
}

async function bits(network: Network): Promise<Record<string, number[]>> {
  return Object.fromEntries([...(await network.parameters())].map(([name, { data }]) => [name, [...data]]));
}

test.each<[string, object, string]>([
  ['an unknown kind', { norm: 'layer' }, "one of 'none', 'batch' for layers[0].norm"],
  ['no text', { norm: true }, 'layers[0].norm'],
])('refuses %s', (_, layer, text) => {
  const layers = [
    { type: 'conv', out: 3, ...layer },
    { type: 'linear', out: 2, output: true },
  ];
  return expect(Network.create({ ...description, layers } as never, { backend: 'cpu' })).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining(text),
  });
});

test.each<[string, NetworkDescription, string]>([
  [
    'a normalised pool',
    { ...description, layers: [{ type: 'avgpool', norm: 'batch' }, description.layers.at(-1)!] },
    "nothing or none (an avgpool takes a kernel, which is its stride) for layers[0].norm but received 'batch'",
  ],
  [
    'a normalised output layer',
    { ...description, layers: [{ type: 'linear', out: 2, output: true, norm: 'batch' }] },
    "nothing or none (the output layer is not normalised) for layers[0].norm but received 'batch'",
  ],
  ['groups without images', { ...description, normGroup: 0 }, 'an integer from 1 to 65535 for normGroup'],
])('refuses %s', (_, wrong, text) =>
  expect(Network.create(wrong, { backend: 'cpu' })).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: expect.stringContaining(text),
  }),
);

test('tensors: names, first values, and a variance below 0 is refused by its name', async () => {
  const network = await trained(0);
  const parameters = await network.parameters();
  const names = [...parameters.keys()].filter((name) => name.startsWith('layers.2.'));
  expect(names).toEqual(
    ['weight', 'bias', 'norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var', 'threshold', 'leak'].map(
      (name) => `layers.2.${name}`,
    ),
  );
  expect([...parameters.get('layers.0.norm.weight')!.data]).toEqual(new Array(9).fill(1));
  expect([...parameters.get('layers.0.norm.running_var')!.data]).toEqual(new Array(9).fill(1));
  expect(parameters.get('layers.0.norm.running_mean')!.shape).toEqual([9]);
  const wrong = new Float32Array(9).fill(1);
  wrong[4] = -1;
  await expect(network.setParameters({ 'layers.0.norm.running_var': wrong })).rejects.toMatchObject({
    code: 'ERR_ARG',
    message: 'Expected numbers >= 0 for layers.0.norm.running_var but received -1',
  });
  const { gradients } = await network.gradients(pixels, labels, { mode: 'ann' });
  expect([...gradients.keys()]).toEqual([...parameters.keys()].filter((name) => !name.includes('.running_')));
  await network.dispose();
});

test('weight decay spares the normalisation, and its running statistics follow the batches', async () => {
  const network = await trained(0);
  const { gradients } = await network.gradients(pixels, labels, { mode: 'ann' });
  await network.trainStep({ pixels, labels }, { mode: 'ann', optimizer });
  const parameters = await network.parameters();
  const gamma = parameters.get('layers.0.norm.weight')!.data;
  gradients.get('layers.0.norm.weight')!.forEach((gradient, i) => expect(gamma[i]).toBeCloseTo(1 - 0.05 * gradient, 6));
  expect(Math.max(...parameters.get('layers.0.norm.running_mean')!.data.map(Math.abs))).toBeGreaterThan(0);
  await network.dispose();
});

test('a file keeps parameters and running statistics; with the optimiser, training is bit-identical', async () => {
  const whole = await trained(4);
  const stopped = await trained(2);
  const path = join(folder, 'network.safetensors');
  await stopped.save(path);
  const continued = await Network.open(path, { backend: 'cpu', seed: 5, threads: 1 });
  expect(continued.description).toEqual(stopped.description);
  expect(await bits(continued)).toEqual(await bits(stopped));
  await continued.setOptimizerState(await stopped.optimizerState());
  for (let i = 0; i < 2; i++) await continued.trainStep({ pixels, labels }, { mode: 'ann', optimizer });
  expect(await bits(continued)).toEqual(await bits(whole));
  for (const network of [whole, stopped, continued]) await network.dispose();
});

test('the folded network has no normalisation and bit-identical logits in both modes', async () => {
  const network = await trained(3);
  const { network: plain, tensors } = await foldNorm(network.description, await network.parameters());
  expect(plain.layers.map(({ norm, bias }) => [norm, bias])).toEqual(
    [true, false, true, true, true, true].map((bias) => ['none', bias]),
  );
  const folded = await Network.create(plain, { backend: 'cpu', seed: 5, threads: 1 });
  await folded.setParameters(tensors);
  expect([...tensors.keys()].sort()).toEqual([...(await folded.parameters()).keys()].sort());
  for (const mode of ['ann', 'snn'] as const)
    expect((await folded.forward(pixels, { mode })).logits).toEqual((await network.forward(pixels, { mode })).logits);
  await network.dispose();
  await folded.dispose();
});

test('rescaled activations: the logits of the ANN stay, and the percentile of each layer is 1', async () => {
  const network = await trained(3);
  const before = (await network.forward(pixels, { mode: 'ann' })).logits;
  await network.rescaleActivations({ pixels }, { percentile: 99 });
  const once = await bits(network);
  const after = (await network.forward(pixels, { mode: 'ann' })).logits;
  after.forEach((logit, i) => expect(logit).toBeCloseTo(before[i]!, 4));
  // What is 1 already stays, but for rounding.
  await network.rescaleActivations({ pixels }, { percentile: 99 });
  for (const [name, values] of Object.entries(await bits(network)))
    values.forEach((value, i) => expect(value).toBeCloseTo(once[name]![i]!, 5));
  await expect(network.rescaleActivations({ pixels }, { percentile: 101 })).rejects.toMatchObject({ code: 'ERR_ARG' });
  await network.dispose();
});

test('vgg normalises every hidden layer', () => {
  const { layers } = vgg('vgg6', { norm: 'batch', hidden: [32] });
  expect(layers.filter(({ type }) => type !== 'avgpool').map(({ norm }) => norm)).toEqual([
    'batch',
    'batch',
    'batch',
    'batch',
    undefined,
  ]);
});
