// What a description says of a code, and what a network with a code does not have.
import { resolveNetwork } from '../../../lib';
import { parameterShapes } from '../../../lib/model/shapes';

const layers = [
  { type: 'conv', out: 4, bias: true },
  { type: 'maxpool' },
  { type: 'linear', out: 5, norm: 'batch' },
  { type: 'linear', out: 3, output: true },
];
const ttfs = { kind: 'ttfs', window: 8 };
const radix = { kind: 'radix', bits: 4 };
const phase = { kind: 'one-spike-phase', base: 2, period: 6 };

/** The network with another code, other fields, and fields added to one layer. */
const network = (code: unknown, change: object = {}, layer: number = 0, field: object = {}): object => ({
  input: [1, 6, 6],
  code,
  layers: layers.map((one, i) => (i === layer ? { ...one, ...field } : one)),
  ...change,
});

test('resolves without time steps, thresholds and leaks, to a description that resolves to itself', () => {
  const resolved = resolveNetwork(network(ttfs, {}, 0, { timeConstant: 5, delay: -0.7 }));
  expect(resolved).toMatchObject({ timesteps: 1, code: ttfs, schedules: false, encoder: 'hybrid' });
  expect(resolved.layers.map(({ timeConstant, delay }) => [timeConstant, delay])).toEqual([
    [5, -0.7],
    [undefined, undefined],
    [2, 0],
    [undefined, undefined],
  ]);
  for (const layer of resolved.layers) expect(Object.keys(layer)).not.toEqual(expect.arrayContaining(['threshold']));
  expect(resolveNetwork(resolved)).toEqual(resolved);
  expect(resolveNetwork(JSON.parse(JSON.stringify(resolveNetwork(network(phase)))))).toMatchObject({ code: phase });
});

test('takes numbers that have no effect with a code', () => {
  const ignored = { timesteps: 7, alpha: 0, beta: 2, gamma: 0.1, mean: [0.1], std: [0.2] };
  expect(resolveNetwork(network(radix, ignored))).toMatchObject(ignored);
});

test('has the tensors of its code in the place of threshold and leak', () => {
  const names = (code: unknown): string[] =>
    parameterShapes(resolveNetwork(network(code)))
      .map(({ name }) => name)
      .filter((name) => !/weight|bias|running/.test(name));
  expect(names(ttfs)).toEqual(['layers.0.time_constant', 'layers.0.delay', 'layers.2.time_constant', 'layers.2.delay']);
  expect(names(radix)).toEqual(['layers.0.step', 'layers.2.step']);
  expect(names(phase)).toEqual([]);
});

test.each<[string, object, string]>([
  [
    'a threshold',
    network(ttfs, {}, 0, { threshold: 1 }),
    'Expected nothing (a network with a code has no thresholds and leaks) for layers[0].threshold but received 1',
  ],
  ['a leak', network(radix, {}, 3, { leak: 1 }), 'for layers[3].leak but received 1'],
  ['a leak of a pool', network(radix, {}, 1, { leak: 1 }), 'for layers[1].leak but received 1'],
  [
    'schedules',
    network(ttfs, { schedules: true }),
    'Expected nothing or false (a network with a code has no time steps) for schedules but received true',
  ],
  ['an encoder', network(ttfs, { encoder: 'rate' }), "for encoder but received 'rate'"],
  [
    'a time constant without ttfs',
    network(radix, {}, 0, { timeConstant: 2 }),
    'for layers[0].timeConstant but received 2',
  ],
  ['a delay of the output layer', network(ttfs, {}, 3, { delay: 0 }), 'for layers[3].delay but received 0'],
  [
    'a delay without a code',
    { ...network(undefined, { timesteps: 2 }, 0, { delay: 1 }) },
    'Expected nothing (only a network with the code ttfs has it) for layers[0].delay but received 1',
  ],
  [
    'a delay at which a border is 0',
    network(ttfs, {}, 0, { timeConstant: 1, delay: -71.6 }),
    'Expected a number from -71.5 to 80 (with a window of 8 and timeConstant 1) for layers[0].delay but received -71.6',
  ],
  [
    'a maxpool without a code',
    network(undefined, { timesteps: 2 }),
    "Expected one of 'conv', 'avgpool', 'linear' for layers[1].type but received 'maxpool'",
  ],
  [
    'a maxpool after an avgpool',
    network(ttfs, { layers: [{ type: 'avgpool' }, ...layers.slice(1)] }),
    'Expected no maxpool after an avgpool',
  ],
  [
    'no time steps and no code',
    { input: [1, 6, 6], layers: [layers[3]] },
    'Expected an integer from 1 to 254 for timesteps but received undefined',
  ],
  [
    'an unknown code',
    network({ kind: 'tfs', window: 8 }),
    "Expected a code, { kind: 'ttfs' | 'radix' | 'one-spike-phase', ... } for code.kind",
  ],
  [
    'a code without its number',
    network({ kind: 'radix' }),
    'Expected an integer from 1 to 8 for code.bits but received undefined',
  ],
  [
    'a number of another code',
    network({ ...radix, window: 3 }),
    "Expected known keys for code but received the unknown key 'window'",
  ],
  [
    'a phase that 32 bits do not hold',
    network({ ...phase, base: 20, period: 40 }),
    'Expected an integer from 1 to 27 with this base for code.period but received 40',
  ],
])('refuses %s', (_, description, message) => {
  expect(() => resolveNetwork(description)).toThrow(expect.objectContaining({ code: 'ERR_ARG' }));
  expect(() => resolveNetwork(description)).toThrow(message);
});
