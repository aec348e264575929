// NIR files: what exportNir writes is read back bit-identical, what the Python package nir wrote is read, and snnTorch
// fires when we do. ONESPIKE_NIR_PYTHON names an interpreter that has nir, h5py, torch, nirtorch and snntorch.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportNir, importModel } from '../../lib/exchange';
import { stepTables } from '../../lib/exchange/onnx/encoding';
import { loadDataset } from '../../lib/data';
import { encodeHdf5 } from '../../lib/io/hdf5/write';
import { readHdf5 } from '../../lib/io/hdf5/read';
import { textValue, type HdfArray, type HdfGroup } from '../../lib/io/hdf5/values';
import { foldAll } from '../../lib/model/fold';
import type { ResolvedNetwork } from '../../lib/model/description';
import { Network } from '../../lib/model/network';
import { cli, temporaryFolder } from '../helpers/command-line';
import { fileOf } from './helpers';
import { network, small, variants } from './networks';

const folder = temporaryFolder();
const python = process.env.ONESPIKE_NIR_PYTHON ?? 'python3';

async function pixelsOf(count: number): Promise<Uint8Array> {
  const { test: part } = await loadDataset('shapes', { trainCount: 10, testCount: count });
  return part.pixels.slice(0, count * 3072);
}

test.each([...Object.keys(variants), 'rate'])('a network is the same when it comes back: %s', async (name) => {
  const changes = name === 'rate' ? { encoder: 'rate' as const } : variants[name]!;
  const made = await network({ ...small, ...changes }, await pixelsOf(8));
  const path = join(folder, `${name}.nir`);
  const { warnings } = await exportNir(made, path, { classes: ['ä', 'b'] });
  expect(warnings[0]).toContain('fire at most once');
  expect(warnings.some((text) => text.includes('schedules'))).toBe(name === 'schedules');
  const imported = await importModel(path);
  const folded = await foldAll(made.description, await made.parameters());
  await made.dispose();
  expect(imported.format).toBe('nir');
  expect(imported.classes).toEqual(['ä', 'b']);
  expect(imported.network).toEqual(folded.network);
  expect(imported.tensors).toEqual(folded.tensors);
  expect(imported.warnings).toEqual([]);
});

test('the commands export and import, with what is lost as warnings', async () => {
  const made = await network(small, await pixelsOf(8));
  const model = join(folder, 'model.safetensors');
  await made.save(model, { mode: 'snn', classes: '["a","b"]' });
  await made.dispose();
  const [nir, back] = [join(folder, 'model.nir'), join(folder, 'back.safetensors')];
  const exported = await cli(['export', model, '--format', 'nir', '-o', nir, '--json']);
  expect(exported.events().map(({ event, code, format }) => code ?? format ?? event)).toEqual([
    ...new Array(3).fill('EXPORT_LOSES'),
    'nir',
  ]);
  expect((await cli(['import', nir, '-o', back])).status).toBe(0);
  expect(readFileSync(back).equals(readFileSync(model))).toBe(true);
});

interface Expected {
  pixels: number[];
  times: number[];
}
const expected = JSON.parse(readFileSync(fileOf('expected-nir.json'), 'utf8')) as { steps: number } & Record<
  string,
  Expected
>;

/** The spike times of all layers of a network, image by image. */
async function timesOf(description: ResolvedNetwork, made: Network, pixels: Uint8Array): Promise<Buffer> {
  const { spikeTimes, predictions } = await made.forward(pixels, { trace: true });
  const never = description.timesteps + 1;
  const layers = made.layers.map(({ layer, neurons }) => ({ neurons, times: spikeTimes!.get(layer)! }));
  const last = layers.at(-1)!;
  last.times = last.times.map((time) => (time === never ? 0 : time));
  return Buffer.concat(
    Array.from(predictions, (_, n) =>
      Buffer.concat(layers.map(({ neurons, times }) => times.subarray(n * neurons, (n + 1) * neurons))),
    ),
  );
}

test.each(['convolutional', 'dense'])('a graph by the Python package fires as in snnTorch: %s', async (name) => {
  const given = {
    timesteps: expected.steps,
    mean: name === 'dense' ? [0.5] : [0.5, 0.5],
    std: name === 'dense' ? [0.5] : [0.5, 0.5],
  };
  const { network: description, tensors, warnings } = await importModel(fileOf(`${name}.nir`), given);
  expect(warnings).toHaveLength(1);
  const made = await Network.create({ ...description, encoder: 'direct' }, { backend: 'cpu', threads: 1 });
  await made.setParameters(tensors);
  const { pixels, times } = expected[name]!;
  const found = await timesOf(description, made, Uint8Array.from(pixels));
  await made.dispose();
  expect([...found]).toEqual(times);
  expect(new Set(times).size).toBeGreaterThanOrEqual(expected.steps);
});

test('the layers, leaks and thresholds of such a graph', async () => {
  const { network: description, tensors } = await importModel(fileOf('convolutional.nir'), { timesteps: 3 });
  expect(
    description.layers.map(({ type, out, kernel, padding, bias, output }) => [
      type,
      out,
      kernel,
      padding,
      bias,
      output,
    ]),
  ).toEqual([
    ['conv', 4, 3, 1, true, false],
    ['avgpool', 0, 2, 0, false, false],
    ['conv', 5, 2, 0, false, false],
    ['linear', 3, 1, 0, true, true],
  ]);
  const value = (name: string): number => tensors.get(name)!.data[0]!;
  // v <- 0.8 v + 2 I against 0.5 is U <- 0.8 U + I against 0.25.
  expect(value('layers.0.leak')).toBeCloseTo(0.8, 6);
  expect(value('layers.0.threshold')).toBeCloseTo(0.25, 6);
  expect([value('layers.2.leak'), value('layers.2.threshold')]).toEqual([1, Math.fround(0.3)]);
  // Steps of another duration leak more.
  const slow = await importModel(fileOf('convolutional.nir'), { timesteps: 3, dt: 2e-4 });
  expect(slow.tensors.get('layers.0.leak')!.data[0]).toBeCloseTo(0.6, 6);
  const plain = await importModel(fileOf('plain.nir'));
  expect(plain.network.input).toEqual([1, 1, 12]);
});

describe('what is no chain of such nodes is refused by its name', () => {
  const cases: [string, (nodes: HdfGroup, graph: HdfGroup) => void, RegExp][] = [
    [
      'another neuron',
      (nodes) => (nodes.get('spikes') as HdfGroup).set('type', textValue('CubaLIF')),
      /'spikes'.*CubaLIF/,
    ],
    [
      'neurons that differ',
      (nodes) => ((nodes.get('spikes') as HdfGroup).get('tau') as { data: Float32Array }).data.fill(1, 3, 4),
      /one tau for all neurons/,
    ],
    [
      'a leak potential',
      (nodes) => ((nodes.get('spikes') as HdfGroup).get('v_leak') as { data: Float32Array }).data.fill(1),
      /v_leak 0/,
    ],
    [
      'groups of channels',
      (nodes) => (nodes.get('conv') as HdfGroup).set('groups', { shape: [], data: BigInt64Array.of(2n) }),
      /groups 1 .*'conv'/,
    ],
    [
      'overlapping pools',
      (nodes) => (nodes.get('pool') as HdfGroup).set('stride', { shape: [2], data: BigInt64Array.of(1n, 1n) }),
      /stride 2/,
    ],
    ['a node that is missing', (nodes) => void nodes.delete('pool'), /a node 'pool'/],
    [
      'a branch',
      (_, graph) => {
        const { shape, data } = graph.get('edges') as HdfArray;
        graph.set('edges', { shape: [shape[0]! + 1, 2], data: [...(data as string[]), 'conv', 'pool'] });
      },
      /two edges from 'conv'/,
    ],
    ['no type', (nodes) => void (nodes.get('conv') as HdfGroup).delete('type'), /a field 'type'/],
    [
      'a threshold of 0',
      (nodes) => ((nodes.get('spikes') as HdfGroup).get('v_threshold') as { data: Float32Array }).data.fill(0),
      /a number > 0/,
    ],
    [
      'a weight that is no number',
      (nodes) => ((nodes.get('conv') as HdfGroup).get('weight') as { data: Float32Array }).data.fill(NaN, 5, 6),
      /finite numbers/,
    ],
    [
      'a neuron after a pool',
      (nodes, graph) => {
        const { data } = graph.get('edges') as HdfArray;
        const swapped = (data as string[]).map((name) =>
          name === 'pool' ? 'spikes' : name === 'spikes' ? 'pool' : name,
        );
        graph.set('edges', { shape: [swapped.length / 2, 2], data: swapped });
        void nodes;
      },
      /a neuron after 'conv'/,
    ],
  ];
  test.each(cases)('%s', async (_, change, message) => {
    const root = await readHdf5(fileOf('convolutional.nir'));
    const graph = root.get('node') as HdfGroup;
    change(graph.get('nodes') as HdfGroup, graph);
    const path = join(folder, 'changed.nir');
    writeFileSync(path, Buffer.concat(encodeHdf5(root)));
    await expect(importModel(path)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringMatching(message),
    });
  });

  test('an HDF5 file of another kind, and options that mean nothing', async () => {
    const path = join(folder, 'other.h5');
    writeFileSync(path, Buffer.concat(encodeHdf5(new Map([['x', textValue('y')]]))));
    await expect(importModel(path)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('another HDF5 file'),
    });
    await expect(importModel(fileOf('dense.nir'), { model: 'vgg9' })).rejects.toMatchObject({ code: 'ERR_ARG' });
  });
});

function installed(): boolean {
  try {
    execFileSync(python, ['-c', 'import h5py, nir, nirtorch, snntorch'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const present = installed();
if (!present) console.warn(`skipped: ${python} has no nir and snntorch, so no other program reads the graphs`);

(present ? test : test.skip).each<[string, number]>([
  ['hybrid', 16],
  ['a single step', 16],
  ['ttfs', 8],
  ['direct', 8],
])('snnTorch reads what we write and fires when we do: %s', async (name, images) => {
  const pixels = await pixelsOf(images);
  const made = await network({ ...small, ...variants[name]! }, pixels);
  const { description } = made;
  const path = join(folder, 'python.nir');
  await exportNir(made, path);
  const { timesteps } = description;
  const tables = stepTables(description);
  const inputs = new Float32Array(images * timesteps * 3072);
  for (let n = 0; n < images; n++)
    for (const [t, { perChannel, values }] of tables.entries())
      for (let i = 0; i < 3072; i++)
        inputs[(n * timesteps + t) * 3072 + i] =
          values[(perChannel ? 256 * Math.floor(i / 1024) : 0) + pixels[n * 3072 + i]!]!;
  writeFileSync(join(folder, 'inputs'), inputs);
  const script = join(__dirname, 'simulate-nir.py');
  const given = [path, join(folder, 'inputs'), String(images), String(timesteps), join(folder, 'times')];
  execFileSync(python, [script, ...given], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const theirs = readFileSync(join(folder, 'times'));
  const ours = await timesOf(description, made, pixels);
  const neurons = ours.length / images;
  await made.dispose();
  let same = 0;
  for (let n = 0; n < images; n++) {
    const own = theirs.subarray(n * (neurons + 1), n * (neurons + 1) + neurons);
    if (own.equals(ours.subarray(n * neurons, (n + 1) * neurons))) same++;
  }
  expect(theirs).toHaveLength(images * (neurons + 1));
  // A neuron within rounding of a tie may go either way.
  expect(same).toBeGreaterThanOrEqual(images - 1);
  expect(new Set(ours).size).toBeGreaterThan(Math.min(2, timesteps));
});
