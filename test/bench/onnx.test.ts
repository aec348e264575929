// The ONNX writer: the bytes it makes, and what onnxruntime computes from them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib/model/network';
import type { NetworkDescription } from '../../lib/model/description';
import { temporaryFolder } from '../helpers/command-line';
import { inModule } from '../helpers/module';

const folder = temporaryFolder();

/** A protobuf message as [field, value] in order: numbers for varints, bytes for all that has a length. */
function fields(bytes: Uint8Array): [number, number | Uint8Array][] {
  const found: [number, number | Uint8Array][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) {
      found.push([tag >> 3, varint()]);
      continue;
    }
    expect(tag % 8).toBe(2);
    const length = varint();
    expect(at + length).toBeLessThanOrEqual(bytes.length);
    found.push([tag >> 3, bytes.subarray(at, at + length)]);
    at += length;
  }
  return found;
}

const all = (message: Uint8Array, field: number): Uint8Array[] =>
  fields(message)
    .filter(([number]) => number === field)
    .map(([, value]) => value as Uint8Array);
const numbers = (message: Uint8Array, field: number): number[] =>
  fields(message)
    .filter(([number]) => number === field)
    .map(([, value]) => value as number);
const texts = (message: Uint8Array, field: number): string[] =>
  all(message, field).map((bytes) => Buffer.from(bytes).toString());

test('varints are groups of seven bits', () => {
  const encoded = inModule<number[][]>(
    'bench/onnx.mjs',
    ['varint'],
    'return input.map((value) => [...varint(value)]);',
    [0, 1, 127, 128, 300, 2 ** 32, Number.MAX_SAFE_INTEGER],
  );
  expect(encoded).toEqual([
    [0],
    [1],
    [127],
    [128, 1],
    [172, 2],
    [128, 128, 128, 128, 16],
    [255, 255, 255, 255, 255, 255, 255, 15],
  ]);
  expect(() => inModule('bench/onnx.mjs', ['varint'], 'varint(-1);')).toThrow(/non-negative/);
});

test('a model has its version, operator set, graph, shapes and raw weights', () => {
  const path = join(folder, 'small.onnx');
  inModule(
    'bench/onnx.mjs',
    ['model', 'writePieces'],
    `
    writePieces(input, model({
      name: 'small',
      nodes: [{ op: 'Gemm', inputs: ['x', 'w'], output: 'y', attributes: { transB: 1 } }, { op: 'AveragePool', inputs: ['y'], output: 'z', attributes: { kernel_shape: [2, 300] } }],
      inputs: [{ name: 'x', shape: [200, 2] }], outputs: [{ name: 'z', shape: [200, 3] }],
      weights: [{ name: 'w', shape: [3, 2], data: Float32Array.of(1, -2, 0.5, 4, 5, 6) }],
    }));`,
    path,
  );
  const bytes = readFileSync(path);
  expect(numbers(bytes, 1)).toEqual([7]);
  const [opset] = all(bytes, 8);
  expect([texts(opset!, 1), numbers(opset!, 2)]).toEqual([[''], [13]]);
  const [graph] = all(bytes, 7);
  expect(texts(graph!, 2)).toEqual(['small']);
  const [gemm, pool] = all(graph!, 1);
  expect([texts(gemm!, 1), texts(gemm!, 2), texts(gemm!, 4)]).toEqual([['x', 'w'], ['y'], ['Gemm']]);
  const [transB] = all(gemm!, 5);
  expect([texts(transB!, 1), numbers(transB!, 3), numbers(transB!, 20)]).toEqual([['transB'], [1], [2]]);
  const [kernel] = all(pool!, 5);
  expect([numbers(kernel!, 8), numbers(kernel!, 20)]).toEqual([[2, 300], [7]]);
  const [weight] = all(graph!, 5);
  expect([numbers(weight!, 1), numbers(weight!, 2), texts(weight!, 8)]).toEqual([[3, 2], [1], ['w']]);
  expect([...new Float32Array(Uint8Array.from(all(weight!, 9)[0]!).buffer)]).toEqual([1, -2, 0.5, 4, 5, 6]);
  for (const [field, name, shape] of [
    [11, 'x', [200, 2]],
    [12, 'z', [200, 3]],
  ] as const) {
    const [info] = all(graph!, field);
    expect(texts(info!, 1)).toEqual([name]);
    const [tensorType] = all(all(info!, 2)[0]!, 1);
    expect(numbers(tensorType!, 1)).toEqual([1]);
    expect(all(all(tensorType!, 2)[0]!, 1).map((dimension) => numbers(dimension, 1)[0])).toEqual(shape);
  }
});

test('weights that do not fill their shape are refused', () => {
  expect(() =>
    inModule(
      'bench/onnx.mjs',
      ['model'],
      "model({ name: '', nodes: [], inputs: [], outputs: [], weights: [{ name: 'w', shape: [3], data: new Float32Array(2) }] });",
    ),
  ).toThrow(/Expected 3 values for w of shape 3 but received 2/);
});

// Everything that the writer knows: bias and none, strides, odd kernels, a border without padding, pools in a row, a pool that leaves a rest.
const descriptions: Record<string, NetworkDescription> = {
  convolutions: {
    input: [3, 15, 15],
    timesteps: 2,
    mean: [0.4, 0.5, 0.6],
    std: [0.2, 0.25, 0.3],
    layers: [
      { type: 'conv', out: 5, bias: true },
      { type: 'avgpool' },
      { type: 'conv', out: 6, kernel: 5, padding: 2, stride: 2 },
      { type: 'conv', out: 4, padding: 0 },
      { type: 'linear', out: 9, bias: true },
      { type: 'linear', out: 3, output: true },
    ],
  },
  pools: {
    input: [1, 12, 12],
    timesteps: 1,
    layers: [
      { type: 'conv', out: 3, kernel: 1, padding: 0 },
      { type: 'avgpool', kernel: 3 },
      { type: 'avgpool' },
      { type: 'linear', out: 4, output: true, bias: true },
    ],
  },
};
const batch = 3;

function installed(): boolean {
  try {
    require.resolve('onnxruntime-node');
    return true;
  } catch {
    return false;
  }
}
if (!installed())
  console.warn(
    'skipped: onnxruntime-node is not installed, so nothing says that the comparison is of the same network',
  );

(installed() ? test : test.skip).each(Object.keys(descriptions))(
  'onnxruntime computes what the ANN computes: %s',
  async (name) => {
    const network = await Network.create(descriptions[name]!, { backend: 'cpu', seed: 5, threads: 1 });
    try {
      const biases = Object.fromEntries(
        [...(await network.parameters())]
          .filter(([key]) => key.endsWith('bias'))
          .map(([key, { data }]) => [key, data.map((_, i) => Math.sin(i + 1))]),
      );
      await network.setParameters(biases);
      const size = network.description.input.reduce((product, side) => product * side, 1);
      const pixels = Uint8Array.from({ length: batch * size }, (_, i) => (i * i * 31 + 7 * i) % 256);
      const { logits } = await network.forward(pixels, { mode: 'ann' });
      const parameters = [...(await network.parameters())].map(([key, { shape, data }]) => [
        key,
        { shape, data: [...data] },
      ]);
      const theirs = inModule<number[]>(
        'bench/onnx-network.mjs',
        ['annModel', 'normalise'],
        `
      const { writePieces } = await import(input.root + '/bench/onnx.mjs');
      const ort = (await import('node:module')).createRequire(input.root + '/bench/')('onnxruntime-node');
      const parameters = new Map(input.parameters.map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]));
      writePieces(input.path, annModel(input.description, parameters, input.batch));
      const session = await ort.InferenceSession.create(input.path, { intraOpNumThreads: 1 });
      const image = new ort.Tensor('float32', normalise(Uint8Array.from(input.pixels), input.description), [input.batch, ...input.description.input]);
      return [...(await session.run({ image })).logits.data];`,
        {
          root: join(__dirname, '..', '..'),
          path: join(folder, `${name}.onnx`),
          description: network.description,
          parameters,
          batch,
          pixels: [...pixels],
        },
      );
      expect(theirs).toHaveLength(logits.length);
      const largest = Math.max(...theirs.map(Math.abs));
      expect(largest).toBeGreaterThan(0.1);
      // Sums of the same float32 products in another order.
      theirs.forEach((value, i) => expect(Math.abs(value - logits[i]!)).toBeLessThan(1e-4 * largest));
    } finally {
      await network.dispose();
    }
  },
);
