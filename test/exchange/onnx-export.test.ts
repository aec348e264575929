// ONNX files: what is in them, and what onnxruntime computes from them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportOnnx } from '../../lib/exchange';
import { loadDataset } from '../../lib/data';
import { readFields } from '../../lib/io/binary/protobuf';
import type { NetworkDescription } from '../../lib/model/description';
import { Network, type Mode } from '../../lib/model/network';
import { temporaryFolder } from '../helpers/command-line';
import { inModule } from '../helpers/module';
import { largestDifference } from './helpers';

const folder = temporaryFolder();
const images = 24;

const small: NetworkDescription = {
  input: [3, 32, 32],
  timesteps: 4,
  beta: 0.5,
  layers: [
    { type: 'conv', out: 6, bias: true },
    { type: 'avgpool' },
    { type: 'conv', out: 8, kernel: 5, padding: 2, stride: 2 },
    { type: 'avgpool', kernel: 3 },
    { type: 'linear', out: 12, bias: true },
    { type: 'linear', out: 10, output: true },
  ],
};
const variants: Record<string, Partial<NetworkDescription>> = {
  hybrid: {},
  'a single step': { timesteps: 1 },
  direct: { encoder: 'direct', beta: 0 },
  ttfs: { encoder: 'ttfs', lo: 0.1, hi: 0.8 },
  phase: { encoder: 'phase', timesteps: 10 },
  burst: { encoder: 'burst', timesteps: 7 },
  radix: { encoder: 'radix', timesteps: 5 },
  schedules: { schedules: true },
  'pools before neurons': {
    layers: [
      { type: 'conv', out: 6, bias: true, pool: 2 },
      { type: 'conv', out: 8, norm: 'batch', pool: 3 },
      ...small.layers.slice(4),
    ],
  },
  normalised: {
    layers: small.layers.map((layer) =>
      layer.type === 'avgpool' || layer.output ? layer : { ...layer, norm: 'batch' as const },
    ),
  },
};

/** A network whose parameters are all somewhere, with thresholds that its neurons reach. */
async function network(description: NetworkDescription, pixels: Uint8Array): Promise<Network> {
  const made = await Network.create(description, { backend: 'cpu', seed: 5, threads: 1 });
  const moved = new Map<string, Float32Array>();
  for (const [name, { data }] of await made.parameters()) {
    const wave = data.map((_, i) => Math.sin(i + 1));
    if (/bias|running_mean/.test(name))
      moved.set(
        name,
        wave.map((value) => 0.1 * value),
      );
    if (/running_var|kappa|theta/.test(name))
      moved.set(
        name,
        wave.map((value) => 1 + 0.2 * value),
      );
  }
  await made.setParameters(moved);
  await made.calibrate({ pixels }, { scale: 0.6 });
  const leaks = made.layers.map(({ layer }, i): [string, Float32Array] => [
    `layers.${layer}.leak`,
    Float32Array.of([0.9, 1, 0, 0.7][i]!),
  ]);
  await made.setParameters(new Map(leaks));
  return made;
}

async function pixelsOf(): Promise<Uint8Array> {
  const { test } = await loadDataset('shapes', { trainCount: 10, testCount: images });
  return test.pixels.slice(0, images * 3072);
}

function installed(): boolean {
  try {
    require.resolve('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
}
if (!installed()) console.warn('skipped: onnxruntime-node is not installed, so nothing computes the exported models');

/** The logits of every model, in a process of its own: onnxruntime does not take the arrays of jest. */
function computed(paths: readonly string[], pixels: Uint8Array): number[][] {
  const file = join(folder, 'pixels');
  writeFileSync(file, pixels);
  return inModule<number[][]>(
    'scripts/lib.mjs',
    [],
    `
    const ort = (await import('node:module')).createRequire(input.root + '/bench/')('onnxruntime-node');
    const pixels = new ort.Tensor('uint8', new Uint8Array((await import('node:fs')).readFileSync(input.file)), [input.images, 3, 32, 32]);
    const logits = [];
    for (const path of input.paths) {
      const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1 });
      logits.push([...(await session.run({ pixels })).logits.data]);
    }
    return logits;`,
    { root: join(__dirname, '../..'), paths, file, images },
  );
}

(installed() ? test : test.skip).each(Object.keys(variants))('onnxruntime computes the same: %s', async (name) => {
  const pixels = await pixelsOf();
  const made = await network({ ...small, ...variants[name]! }, pixels);
  const modes: Mode[] = ['snn', 'ann', 'binary'];
  const paths = modes.map((mode) => join(folder, `${name}-${mode}.onnx`));
  try {
    for (const [i, mode] of modes.entries()) await exportOnnx(made, paths[i]!, { mode });
    const theirs = computed(paths, pixels);
    for (const [i, mode] of modes.entries()) {
      const logits = [...(await made.forward(pixels, { mode })).logits];
      const largest = Math.max(...logits.map(Math.abs));
      expect(largest).toBeGreaterThan(0.1);
      // In float32 a neuron within rounding of a tie may go either way: none of these is.
      expect(largestDifference(theirs[i]!, logits)).toBeLessThan(1e-5 * Math.max(1, largest));
    }
  } finally {
    await made.dispose();
  }
});

/** The text of a field of a message, and the messages in it. */
const messages = (bytes: Uint8Array, field: number): Uint8Array[] =>
  [...readFields(bytes)].filter(({ number }) => number === field).map(({ value }) => value as Uint8Array);
const texts = (bytes: Uint8Array, field: number): string[] =>
  messages(bytes, field).map((text) => Buffer.from(text).toString());

test('the spiking network is unrolled, with a mask of the neurons that have fired', async () => {
  const made = await network(small, await pixelsOf());
  const path = join(folder, 'small.onnx');
  await exportOnnx(made, path, { metadata: { classes: '["a"]' } });
  await made.dispose();
  const file = readFileSync(path);
  const [graph] = messages(file, 7);
  const operations = messages(graph!, 1).map((node) => texts(node, 4)[0]!);
  const count = (name: string): number => operations.filter((op) => op === name).length;
  const { timesteps } = small;
  expect([count('Gather'), count('Conv'), count('Gemm'), count('AveragePool')]).toEqual([4, 8, 8, 8]);
  // Three hidden layers: a spike needs a mask from the second step on; the readout keeps what has fired.
  expect([count('Greater'), count('And'), count('Or')]).toEqual([
    4 * timesteps,
    3 * (timesteps - 1 + timesteps - 2),
    timesteps - 1,
  ]);
  expect(messages(graph!, 11).flatMap((value) => texts(value, 1))).toEqual(['pixels']);
  expect(messages(graph!, 12).flatMap((value) => texts(value, 1))).toEqual(['logits']);
  expect(messages(file, 14).map((entry) => [texts(entry, 1)[0], texts(entry, 2)[0]])).toEqual([['classes', '["a"]']]);
  // Weights are stored once, whatever the number of steps.
  const names = messages(graph!, 5).flatMap((constant) => texts(constant, 8));
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name === 'layers.0.weight')).toHaveLength(1);
});

test('an encoder that draws at random is refused by name for the spiking network alone', async () => {
  const made = await Network.create({ ...small, encoder: 'rate' }, { backend: 'cpu', threads: 1 });
  const path = join(folder, 'rate.onnx');
  await expect(exportOnnx(made, path)).rejects.toEqual(
    expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining("another encoder than 'rate'") }),
  );
  await exportOnnx(made, path, { mode: 'ann' });
  await made.dispose();
});
