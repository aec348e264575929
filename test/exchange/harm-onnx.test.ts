// ONNX models whose graphs, sizes and places of numbers no exporter writes: an error with a code every time.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importModel } from '../../lib/exchange';
import { bytesField, integerField, textField, type Pieces } from '../../lib/io/binary/protobuf';
import { temporaryFolder } from '../helpers/command-line';

const path = join(temporaryFolder(), 'harm.onnx');

/** An integer of 64 bits, which may be negative. */
function signed(field: number, value: number): Pieces {
  const bytes = [field * 8];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [Uint8Array.from([...bytes, Number(rest)])];
}

interface Weights {
  shape: readonly number[];
  values?: Float32Array;
  /** Where the numbers are, if not in the model. */
  location?: string;
}

function tensor(name: string, { shape, values, location }: Weights): Pieces {
  const place = [...textField(1, 'location'), ...textField(2, location ?? '')];
  return [
    ...shape.flatMap((side) => signed(1, side)),
    ...integerField(2, 1),
    ...textField(8, name),
    ...(values === undefined ? [] : bytesField(9, [Buffer.from(values.buffer)])),
    ...(location === undefined ? [] : [...bytesField(13, place), ...integerField(14, 1)]),
  ];
}

type Node = [op: string, inputs: string[], outputs: string[], lists?: Record<string, number[]>, more?: Pieces];

/** An attribute of one integer, which says that it is of a type. */
const integerOf = (name: string, value: number, type = 2): Pieces =>
  bytesField(5, [...textField(1, name), ...signed(3, value), ...integerField(20, type)]);
const textOf = (name: string, text: string): Pieces =>
  bytesField(5, [...textField(1, name), ...textField(4, text), ...integerField(20, 3)]);

const node = ([op, inputs, outputs, lists = {}, more = []]: Node): Pieces => [
  ...inputs.flatMap((name) => textField(1, name)),
  ...outputs.flatMap((name) => textField(2, name)),
  ...textField(4, op),
  ...Object.entries(lists).flatMap(([name, list]) =>
    bytesField(5, [...textField(1, name), ...list.flatMap((value) => signed(8, value)), ...integerField(20, 7)]),
  ),
  ...more,
];

function value(name: string, shape: readonly number[]): Pieces {
  const sizes = bytesField(
    2,
    shape.flatMap((side) => bytesField(1, signed(1, side))),
  );
  return [...textField(1, name), ...bytesField(2, bytesField(1, [...integerField(1, 1), ...sizes]))];
}

interface Graph {
  nodes?: Node[];
  weights?: Weights;
  input?: number[];
  raw?: Uint8Array;
  /** What the model has beside its graph: the versions of the format and of its operations. */
  beside?: Pieces;
}

const versions = (format: number, opset: number): Pieces => [
  ...integerField(1, format),
  ...bytesField(8, integerField(2, opset)),
];

const layers: Node[] = [
  ['Flatten', ['x'], ['f']],
  ['Gemm', ['f', 'w'], ['y']],
];
const good: Weights = { shape: [4, 2], values: new Float32Array(8).fill(0.5) };

function model({ nodes = layers, weights = good, input = [1, 1, 2, 2], raw, beside = versions(8, 17) }: Graph): Buffer {
  const graph = [
    ...nodes.flatMap((each) => bytesField(1, node(each))),
    ...bytesField(5, tensor('w', weights)),
    ...bytesField(5, tensor('v', { shape: [8, 2], values: new Float32Array(16) })),
    ...bytesField(11, value('x', input)),
    ...bytesField(12, value('y', [1, 2])),
    ...(raw === undefined ? [] : [raw]),
  ];
  return Buffer.concat([...beside, ...bytesField(7, graph)]);
}

/** A convolution of 3 x 3 with these lists, and what follows it. */
const convolution = (lists: Record<string, number[]>, more: Pieces = []): Graph => ({
  nodes: [
    ['Conv', ['x', 'w'], ['c'], lists, more],
    ['Relu', ['c'], ['r']],
    ['Flatten', ['r'], ['f']],
    ['Gemm', ['f', 'v'], ['y']],
  ],
  weights: { shape: [2, 1, 3, 3], values: new Float32Array(18) },
});
const pool = (side: number, more: Pieces = []): Graph => ({
  nodes: [
    ['AveragePool', ['x'], ['p'], { kernel_shape: [side, side], strides: [side, side] }, more],
    ['Flatten', ['p'], ['f']],
    ...layers.slice(1),
  ],
});
const pads = { pads: [1, 1, 1, 1] };
/** The chain with another way from the map to the vector. */
const flat = (...node: Node): Graph => ({ nodes: [node, ...layers.slice(1)] });
/** Two integers of 64 bits as a constant. */
const pair = (name: string, ...values: [number, number]): Pieces =>
  bytesField(5, [
    ...signed(1, 2),
    ...integerField(2, 7),
    ...textField(8, name),
    ...bytesField(9, [new Uint8Array(BigInt64Array.from(values, BigInt).buffer)]),
  ]);
const reshaped = (first: number, second: number): Graph => ({
  ...flat('Reshape', ['x', 's'], ['f']),
  raw: Buffer.concat(pair('s', first, second)),
});
const repeated = (bytes: number[], times: number): Uint8Array =>
  Buffer.alloc(bytes.length * times, Uint8Array.from(bytes));

test('the model that the others are made from is read', async () => {
  writeFileSync(path, model({}));
  expect((await importModel(path)).table).toHaveLength(1);
  writeFileSync(path, model(convolution({ pads: [1, 1, 1, 1] })));
  expect((await importModel(path)).table).toHaveLength(2);
});

test.each<[string, Graph]>([
  ['a vector of the image', reshaped(0, -1)],
  ['vectors of as many images as it takes', { ...reshaped(3, -1), input: [3, 1, 2, 2] }],
  ['a pool that its windows fill', { ...pool(2, textOf('auto_pad', 'SAME_UPPER')), input: [1, 1, 4, 4] }],
  ['a kernel_shape as that of the weights', convolution({ ...pads, kernel_shape: [3, 3] })],
  ['the first versions', { beside: versions(3, 7) }],
  [
    'operations of another domain',
    { beside: [...versions(13, 26), ...bytesField(8, [...textField(1, 'a'), ...integerField(2, 1)])] },
  ],
])('%s is read', async (_, graph) => {
  writeFileSync(path, model(graph));
  expect((await importModel(path)).format).toBe('onnx');
});

// onnx's checker or onnxruntime refuses each of them.
test.each<[string, Graph, string]>([
  ['an attribute whose name is misspelt', convolution({ pbds: [1, 1, 1, 1] }), "received 'pbds'"],
  ['an attribute of another operation', flat('Flatten', ['x'], ['f'], {}, integerOf('to', 1)), "received 'to'"],
  ['a value of another type', convolution(pads, integerOf('group', 1, 7)), "the type of the attribute 'group'"],
  ['a type that the operation does not take', convolution(pads, textOf('group', '1')), "the attribute 'group'"],
  [
    'an attribute without a type',
    convolution(pads, bytesField(5, [...textField(1, 'group'), ...signed(3, 1)])),
    'type unknown',
  ],
  [
    'an axis that is 0 since it is left out',
    flat('Flatten', ['x'], ['f'], {}, bytesField(5, [...textField(1, 'axis'), ...integerField(20, 2)])),
    'axis 1',
  ],
  ['a kernel_shape of other sides', convolution({ ...pads, kernel_shape: [54, 3] }), 'that of its weights'],
  ['strides of three dimensions', convolution({ ...pads, strides: [1, 1, 1] }), '2 strides'],
  ['pads of one dimension', convolution({ pads: [1, 1] }), '4 pads'],
  ['a padding of another name', convolution(pads, textOf('auto_pad', 'SAME_UPPFR')), 'auto_pad NOTSET'],
  [
    'a pool that would be padded',
    { ...pool(2, textOf('auto_pad', 'SAME_UPPER')), input: [1, 1, 5, 5] },
    'windows of 2',
  ],
  ['a negative size of a vector', reshaped(0, -72057594037927936), 'sizes of a vector'],
  ['vectors of other images', reshaped(64, -1), 'a vector of each image'],
  [
    'a free size whose name is no UTF-8',
    {
      raw: Buffer.concat(
        bytesField(
          13,
          bytesField(2, bytesField(1, bytesField(2, bytesField(1, bytesField(2, [Uint8Array.of(0xff)]))))),
        ),
      ),
    },
    'a text in UTF-8 in field 2',
  ],
  ['two open sizes of a vector', reshaped(-1, -1), 'sizes of a vector'],
  ['an image as bytes', flat('Cast', ['x'], ['f'], {}, integerOf('to', 3)), 'floats as result'],
  [
    'a name that is no UTF-8',
    flat('Flatten', ['x'], ['f'], {}, bytesField(3, [Uint8Array.of(0xff)])),
    'a text in UTF-8 in field 3',
  ],
  [
    'versions of operations that are cut off',
    { beside: [...versions(8, 17), ...bytesField(8, [Uint8Array.of(16, 145)])] },
    'an integer',
  ],
  ['a version without those of operations', { beside: versions(2, 17) }, 'IR version 3 to 13'],
  ['a version to come', { beside: versions(14, 17) }, 'received 14'],
  ['no versions of operations', { beside: integerField(1, 8) }, 'received none'],
  ['operations of an old version', { beside: versions(8, 6) }, 'opset 7 to 26'],
  ['operations of a version to come', { beside: [...versions(8, 17), ...versions(8, 27)] }, 'received 17, 27'],
  ['a shape that is cut off', { raw: Buffer.concat(bytesField(13, [Uint8Array.of(18, 9, 10)])) }, '9 bytes'],
])('%s', async (_, graph, message) => {
  writeFileSync(path, model(graph));
  await expect(importModel(path)).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_(FORMAT|SHAPE)$/),
    message: expect.stringContaining(message),
  });
});

test.each<[string, Graph]>([
  [
    'a cycle back to the image',
    {
      nodes: [
        ['Relu', ['x'], ['a']],
        ['Identity', ['a'], ['x']],
      ],
    },
  ],
  ['a node that reads what it writes', { nodes: [['Identity', ['x'], ['x']]] }],
  ['a cycle behind a layer', { nodes: [...layers, ['Relu', ['y'], ['z']], ['Relu', ['z'], ['y']]] }],
  ['a node without outputs', { nodes: [['Identity', ['x'], []]] }],
  [
    'a cycle through the empty name',
    {
      nodes: [
        ['Identity', ['x'], ['']],
        ['Identity', [''], ['']],
      ],
    },
  ],
  ['a negative size', { weights: { ...good, shape: [-4, 2] } }],
  ['two negative sizes', { weights: { ...good, shape: [-4, -2] } }],
  ['a size of 2^62', { weights: { ...good, shape: [2 ** 62, 2] } }],
  ['sizes whose product overflows', { weights: { ...good, shape: [2 ** 32, 2 ** 32, 2 ** 32] } }],
  ['no rows', { weights: { shape: [0, 2], values: new Float32Array(0) } }],
  ['no columns', { weights: { shape: [4, 0], values: new Float32Array(0) } }],
  ['no rows of 2^31 columns', { weights: { shape: [0, 2 ** 31], values: new Float32Array(0) } }],
  ['100,000 dimensions', { weights: { shape: new Array(100_000).fill(1), values: new Float32Array(1) } }],
  ['numbers that are none', { weights: { shape: [4, 2], values: new Float32Array(8).fill(NaN) } }],
  ['an image of negative sides', { input: [1, -1, -2, 2] }],
  ['an image of 2^90 pixels', { input: [1, 2 ** 30, 2 ** 30, 2 ** 30] }],
  ['an image of 2^32 pixels', { input: [1, 1, 65536, 65536] }],
  ['padding of 2^31', convolution({ pads: [2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31] })],
  ['negative padding', convolution({ pads: [-1, -1, -1, -1] })],
  ['a stride of 0', convolution({ pads: [1, 1, 1, 1], strides: [0, 0] })],
  ['a negative stride', convolution({ pads: [1, 1, 1, 1], strides: [-1, -1] })],
  ['a window of 2^40', pool(2 ** 40)],
  ['a negative window', pool(-2)],
  // Two bytes each, which took 320 in memory.
  ['131,072 nodes of nothing', { raw: repeated([0x0a, 0], 2 ** 17) }],
  ['131,072 constants of nothing', { raw: repeated([0x2a, 0], 2 ** 17) }],
  ['two million fields', { raw: repeated([0x50, 1], 2 ** 21) }],
  ...['../../../../etc/passwd', '/etc/passwd', 'file:///etc/passwd', 'a\0b', 'harm.onnx'].map(
    (location): [string, Graph] => [`weights in ${location}`, { weights: { shape: [4, 2], location } }],
  ),
])('%s', async (_, graph) => {
  writeFileSync(path, model(graph));
  const error = await importModel(path).then(
    () => undefined,
    (reason: Error & { code?: string }) => reason,
  );
  expect(error?.code).toMatch(/^ERR_(FORMAT|SHAPE|ARG)$/);
  expect(error!.message.length).toBeLessThan(1000);
});
