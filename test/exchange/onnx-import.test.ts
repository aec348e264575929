// ONNX models as networks: those of PyTorch, of other programs, and our own; and what is refused, by the name of its
// node.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportOnnx, importModel, type ImportOptions } from '../../lib/exchange';
import { encodeModel, type OnnxNode } from '../../lib/exchange/onnx/write';
import { vgg } from '../../lib/model/vgg';
import { Network } from '../../lib/model/network';
import { temporaryFolder } from '../helpers/command-line';
import { annLogits, expected, fileOf, largestDifference, pixelsOf } from './helpers';

const folder = temporaryFolder();
const { mean, std } = expected as { mean: number[]; std: number[] };

describe('logits as the other program computes them', () => {
  test('of the exporter of PyTorch', async () => {
    const model = await importModel(fileOf('vgg.onnx'), { mean, std });
    expect(model.format).toBe('onnx');
    expect(model.network.layers.map(({ type, norm }) => `${type} ${norm}`)).toEqual([
      'conv batch',
      'avgpool none',
      'conv batch',
      'conv batch',
      'avgpool none',
      'linear none',
      'linear none',
    ]);
    expect(largestDifference(await annLogits(model), expected.vgg!)).toBeLessThan(1e-5);
  });

  test('with the normalisation of bytes, MatMul, Add, a global pool, and another epsilon', async () => {
    const { warnings, ...model } = await importModel(fileOf('other.onnx'));
    expect(warnings).toEqual([]);
    expect(model.network.mean.map((value) => Math.round(255 * value))).toEqual([120, 110, 100]);
    expect(largestDifference(await annLogits({ ...model, warnings }), expected.other!)).toBeLessThan(1e-5);
    expect(model.table).toContainEqual({ source: 'w2', target: 'layers.4.weight', shape: [5, 6], dtype: 'F32' });
  });
});

test('the ANN of onespike comes back with the same numbers', async () => {
  const description = vgg('vgg6', { width: 0.1, hidden: [12], bias: true, norm: 'batch' });
  const network = await Network.create(description, { backend: 'cpu', threads: 1, seed: 4 });
  const path = join(folder, 'own.onnx');
  await exportOnnx(network, path, { mode: 'ann' });
  const model = await importModel(path);
  const { logits } = await network.forward(pixelsOf(4, [3, 32, 32]), { mode: 'ann' });
  await network.dispose();
  expect(largestDifference(await annLogits(model), [...logits])).toBeLessThan(1e-4);
  model.network.mean.forEach((value, c) => expect(value).toBeCloseTo(network.description.mean[c]!, 6));
});

/** A model of a convolution, what is given, and a linear layer. */
function modelWith(between: OnnxNode[], last: string): string {
  const path = join(folder, 'with.onnx');
  const constants = [
    { name: 'w', shape: [2, 1, 3, 3], data: new Float32Array(18) },
    { name: 'v', shape: [3, 8], data: new Float32Array(24) },
    { name: 'b', shape: [2, 1, 1], data: new Float32Array(2) },
    { name: 'five', shape: [5], data: new Float32Array(5) },
  ];
  const pads = { pads: [1, 1, 1, 1] };
  const nodes = [
    { op: 'Conv', inputs: ['x', 'w'], output: 'c', attributes: pads },
    ...between,
    { op: 'Flatten', inputs: [last], output: 'f', attributes: { axis: 1 } },
    { op: 'Gemm', inputs: ['f', 'v'], output: 'y', attributes: { transB: 1 } },
  ];
  const graph = {
    name: '',
    nodes,
    constants,
    inputs: [{ name: 'x', type: 'float' as const, shape: ['N', 1, 4, 4] }],
    outputs: [{ name: 'y', type: 'float' as const, shape: ['N', 3] }],
  };
  writeFileSync(path, Buffer.concat(encodeModel(graph, '1', {})));
  return path;
}
const node = (op: string, input: string, output: string, others: string[] = [], attributes = {}): OnnxNode => ({
  op,
  inputs: [input, ...others],
  output,
  attributes,
});
const relu = node('Relu', 'c', 'r');
const halves = { kernel_shape: [2, 2], strides: [2, 2] };

test('a pool of maxima is refused, or becomes an average pool if that is asked for', async () => {
  const path = modelWith([relu, node('MaxPool', 'r', 'p', [], halves)], 'p');
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining("Expected average pools (--max-pool average makes them of these) for MaxPool 'p'"),
  });
  const { network, warnings } = await importModel(path, { maxPool: 'average' });
  expect(network.layers.map(({ type }) => type)).toEqual(['conv', 'avgpool', 'linear']);
  expect(warnings).toEqual([expect.stringContaining('1 pools of maxima (p)'), expect.stringContaining('--mean')]);
});

test.each<[string, OnnxNode[], string, string]>([
  ['an operation that is not known', [node('Tanh', 'c', 'p')], 'p', "for Tanh 'p' of"],
  ['no ReLU', [node('AveragePool', 'c', 'p', [], halves)], 'p', "a Relu between it and 'c' for Gemm 'y'"],
  ['a residual connection', [relu, node('Add', 'r', 'p', ['c'])], 'p', "received 'c' read by Relu 'r' and Add 'p'"],
  ['a sum that is no bias', [node('Add', 'c', 'p', ['five'])], 'p', "a bias of 2 channels for Add 'p'"],
  ['two biases', [node('Add', 'c', 'd', ['b']), node('Add', 'd', 'p', ['b'])], 'p', "the bias of a layer for Add 'p'"],
  ['a product after the first layer', [node('Mul', 'c', 'p', ['b'])], 'p', "the bias of a layer for Mul 'p'"],
  [
    'a pool that overlaps',
    [relu, node('AveragePool', 'r', 'p', [], { ...halves, strides: [1, 1] })],
    'p',
    'strides as',
  ],
  ['two ReLUs', [relu, node('Relu', 'r', 'p')], 'p', "before Relu for Relu 'p'"],
  ['a constant that is computed', [node('Add', 'c', 'p', ['q'])], 'p', "'q', which is computed"],
  ['a graph that ends early', [relu], 'z', "ends at 'r', which is no output"],
  ['a circle', [relu, node('Identity', 'r', 'c')], 'r', 'Expected one chain of operations'],
])('%s is refused by name', async (_, between, last, text) => {
  await expect(importModel(modelWith(between, last))).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(text),
  });
});

test.each<[ImportOptions, string, string]>([
  [{ map: {} }, 'ERR_ARG', 'neither model nor map'],
  [{ input: [3, 16, 16] }, 'ERR_SHAPE', 'for layers.5.weight'],
])('%j is refused', async (options, code, text) => {
  await expect(importModel(fileOf('vgg.onnx'), options)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(text),
  });
});
