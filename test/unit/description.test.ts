import { resolveNetwork } from '../../lib/model/description';

const base = () =>
  ({
    input: [3, 8, 8],
    timesteps: 5,
    layers: [
      { type: 'conv', out: 4 },
      { type: 'avgpool' },
      { type: 'linear', out: 6 },
      { type: 'linear', out: 2, output: true },
    ] as Record<string, unknown>[],
  }) as Record<string, unknown> & { layers: Record<string, unknown>[] };

function failure(value: unknown): { code: string; message: string } {
  try {
    resolveNetwork(value);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
  throw new Error('the description was accepted');
}

/** A valid description with changes at the top or, with an index, in one layer. */
const changed = (change: Record<string, unknown>, layer?: number): unknown => {
  const description = base();
  if (layer === undefined) return { ...description, ...change };
  description.layers[layer] = { ...description.layers[layer], ...change };
  return description;
};

describe('resolveNetwork', () => {
  test('fills in every default', () => {
    const conv = {
      type: 'conv',
      out: 4,
      kernel: 3,
      stride: 1,
      padding: 1,
      pool: 1,
      bias: false,
      norm: 'none',
      output: false,
      leak: 0.9,
      threshold: 1,
      dropout: 0,
    };
    const linear = { ...conv, type: 'linear', kernel: 1, padding: 0 };
    expect(resolveNetwork(base())).toEqual({
      name: 'custom',
      input: [3, 8, 8],
      timesteps: 5,
      layers: [
        conv,
        { ...conv, type: 'avgpool', out: 0, kernel: 2, stride: 2, padding: 0, leak: 1 },
        { ...linear, out: 6 },
        { ...linear, out: 2, output: true },
      ],
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.2023, 0.1994, 0.201],
      alpha: 1,
      beta: 1,
      gamma: 0.3,
      surrogateScale: 1,
      surrogate: 'triangle',
      schedules: false,
      encoder: 'hybrid',
      lo: 0,
      hi: 1,
      normGroup: 64,
    });
    expect(resolveNetwork(changed({ input: [1, 8, 8] }))).toMatchObject({ mean: [0.5], std: [0.5] });
  });

  test('pads by one by default, whatever the kernel', () => {
    expect(resolveNetwork(changed({ kernel: 5 }, 0)).layers[0]).toMatchObject({ kernel: 5, padding: 1 });
  });

  test('resolves its own result to an equal value that is plain JSON', () => {
    const network = resolveNetwork(base());
    expect(resolveNetwork(network)).toEqual(network);
    expect(resolveNetwork(JSON.parse(JSON.stringify(network)))).toEqual(network);
  });

  test('shares no array with its argument', () => {
    const description = { ...base(), input: [3, 8, 8], mean: [0, 0, 0], std: [1, 1, 1] };
    const network = resolveNetwork(description);
    description.mean[0] = 9;
    description.input[0] = 9;
    expect(network.mean[0]).toBe(0);
    expect(network.input[0]).toBe(3);
  });

  test('takes descriptions of the golden cases', () => {
    const strided = resolveNetwork({
      timesteps: 2,
      input: [3, 10, 10],
      mean: [0.5, 0.4, 0.3],
      std: [0.25, 0.2, 0.3],
      gamma: 0.5,
      layers: [
        { type: 'conv', out: 12, bias: true, leak: 0.7 },
        { type: 'conv', out: 20, stride: 2, bias: true, leak: 1.0 },
        { type: 'linear', out: 24, bias: true, leak: 0.5 },
        { type: 'linear', out: 7, output: true, bias: true, leak: 0.95 },
      ],
    });
    expect(strided).toMatchObject({
      gamma: 0.5,
      alpha: 1,
      layers: [{ leak: 0.7 }, { stride: 2, padding: 1 }, {}, { leak: 0.95, output: true }],
    });
  });

  test.each<[string, Record<string, unknown>, number | undefined, string]>([
    [
      'fractional kernel',
      { kernel: 2.5 },
      0,
      'Expected an integer from 1 to 255 for layers[0].kernel but received 2.5',
    ],
    ['text kernel', { kernel: '3' }, 0, "Expected an integer from 1 to 255 for layers[0].kernel but received '3'"],
    ['zero stride', { stride: 0 }, 0, 'Expected an integer from 1 to 255 for layers[0].stride but received 0'],
    ['negative padding', { padding: -1 }, 0, 'for layers[0].padding but received -1'],
    ['zero channels', { out: 0 }, 0, 'Expected an integer from 1 to 65535 for layers[0].out but received 0'],
    ['no units', { out: undefined }, 2, 'for layers[2].out but received undefined'],
    ['too many channels', { out: 65536 }, 0, 'for layers[0].out but received 65536'],
    ['leak above one', { leak: 1.1 }, 0, 'Expected a number in [0, 1] for layers[0].leak but received 1.1'],
    ['NaN leak', { leak: NaN }, 0, 'for layers[0].leak but received NaN'],
    [
      'zero threshold',
      { threshold: 0 },
      2,
      'Expected a number > 0 that float32 holds for layers[2].threshold but received 0',
    ],
    ['threshold below float32', { threshold: 1e-60 }, 2, 'for layers[2].threshold but received 1e-60'],
    ['infinite threshold', { threshold: Infinity }, 2, 'for layers[2].threshold but received Infinity'],
    ['full dropout', { dropout: 1 }, 0, 'Expected a number in [0, 1) for layers[0].dropout but received 1'],
    ['dropout of the output', { dropout: 0.5 }, 3, 'for layers[3].dropout but received 0.5'],
    ['padded pool', { padding: 1 }, 1, 'for layers[1].padding but received 1'],
    ['pool with another stride', { stride: 1 }, 1, 'for layers[1].stride but received 1'],
    [
      'unknown type',
      { type: 'maxpool' },
      1,
      "Expected one of 'conv', 'avgpool', 'linear' for layers[1].type but received 'maxpool'",
    ],
    ['bias as number', { bias: 1 }, 0, 'Expected true or false for layers[0].bias but received 1'],
    [
      'misspelt layer key',
      { kernal: 3 },
      0,
      "for layers[0] but received the unknown key 'kernal' (did you mean 'kernel'?)",
    ],
    [
      'misspelt key',
      { timestep: 5 },
      undefined,
      "Expected known keys for the network description but received the unknown key 'timestep' (did you mean 'timesteps'?)",
    ],
    [
      'the old name of a key',
      { kappa: 2 },
      undefined,
      "for the network description but received the unknown key 'kappa' (it is called 'surrogateScale' now)",
    ],
    [
      'neurons that fire of themselves',
      { initialPotential: 1 },
      undefined,
      'Expected a number in [0, 1) for initialPotential but received 1',
    ],
    [
      'an initial potential under a code',
      { initialPotential: 0.5, code: { kind: 'radix', bits: 4 } },
      undefined,
      'Expected nothing or 0 (a network with a code has no time steps) for initialPotential but received 0.5',
    ],
    ['schedules as number', { schedules: 1 }, undefined, 'Expected true or false for schedules but received 1'],
    ['strange key', { zebra: 5 }, undefined, 'known: name, input, timesteps'],
    ['zero steps', { timesteps: 0 }, undefined, 'Expected an integer from 1 to 254 for timesteps but received 0'],
    ['too many steps', { timesteps: 255 }, undefined, 'for timesteps but received 255'],
    [
      'two sides',
      { input: [3, 8] },
      undefined,
      'Expected three integers [C, H, W] for input but received an array of 2',
    ],
    ['huge side', { input: [3, 8, 65536] }, undefined, 'for input[2] but received 65536'],
    [
      'short mean',
      { mean: [0.5] },
      undefined,
      'Expected 3 numbers (one per channel) for mean but received an array of 1',
    ],
    ['zero std', { std: [1, 0, 1] }, undefined, 'Expected a number > 0 that float32 holds for std[1] but received 0'],
    ['zero gamma', { gamma: 0 }, undefined, 'Expected a number > 0 and at most 1000000 for gamma but received 0'],
    [
      'infinite alpha',
      { alpha: Infinity },
      undefined,
      'Expected a number from -1000000 to 1000000 for alpha but received Infinity',
    ],
    ['lo above hi', { lo: 0.5, hi: 0.5 }, undefined, 'Expected a number above lo (0.5) for hi but received 0.5'],
    ['unknown surrogate', { surrogate: 'sigmoid' }, undefined, "'fast-sigmoid' for surrogate but received 'sigmoid'"],
    ['unknown encoder', { encoder: 'bursts' }, undefined, "for encoder but received 'bursts'"],
    [
      'radix steps',
      { encoder: 'radix', timesteps: 9 },
      undefined,
      'an integer from 1 to 8 with the encoder radix for timesteps but received 9',
    ],
    ['no layers', { layers: [] }, undefined, 'Expected at least one layer for layers but received an array of 0'],
    ['a number as layer', { layers: [3] }, undefined, 'Expected a layer (an object) for layers[0] but received 3'],
  ])('refuses %s', (_, change, layer, message) => {
    const error = failure(changed(change, layer));
    expect(error.message).toContain(message);
    expect(error.code).toBe('ERR_ARG');
  });

  test.each([[undefined], [null], [3], ['vgg9'], [[]], [() => 1]])('refuses %p as a description', (value) => {
    expect(failure(value)).toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringContaining('Expected a network description (an object) for the network description'),
    });
  });

  test('refuses a key named __proto__', () => {
    const description = JSON.parse(JSON.stringify(base()).replace('{', '{"__proto__": {"timesteps": 3},')) as unknown;
    expect(failure(description).code).toBe('ERR_ARG');
  });

  test.each<[string, unknown, string]>([
    [
      'a kernel larger than the padded input',
      changed({ kernel: 11 }, 0),
      'Expected a kernel of at most 10 (the padded map is 10x10) for layers[0].kernel but received 11',
    ],
    [
      'a pool larger than its map',
      changed({ kernel: 9 }, 1),
      'Expected a window of at most 8 (the map is 8x8) for layers[1].kernel but received 9',
    ],
    [
      'a convolution after a linear layer',
      changed({
        layers: [
          { type: 'linear', out: 4 },
          { type: 'conv', out: 4 },
          { type: 'linear', out: 2, output: true },
        ],
      }),
      'for layers[1].type',
    ],
    [
      'a pool after a linear layer',
      changed({ layers: [{ type: 'linear', out: 4 }, { type: 'avgpool' }, { type: 'linear', out: 2, output: true }] }),
      'for layers[1].type',
    ],
    [
      'a network without output',
      changed({ output: false }, 3),
      'Expected a linear layer with output: true at the end for layers[3]',
    ],
    ['two outputs', changed({ output: true }, 2), 'Expected the output layer to be the last one for layers[2].output'],
    [
      'a convolution as output',
      changed({ layers: [{ type: 'conv', out: 4, output: true }] }),
      "for layers[0].type but received 'conv'",
    ],
    [
      'more weights than 2^31',
      changed({
        input: [1, 500, 500],
        layers: [
          { type: 'linear', out: 65535 },
          { type: 'linear', out: 2, output: true },
        ],
      }),
      'Expected at most 2147483647 weights for layers[0]',
    ],
    ['more neurons than 2^31', changed({ input: [1, 65535, 65535] }), 'for input'],
    [
      'a map wider than 65535',
      changed({
        input: [1, 1, 65535],
        layers: [
          { type: 'conv', out: 1, padding: 9 },
          { type: 'linear', out: 2, output: true },
        ],
      }),
      'pixels a side',
    ],
  ])('refuses %s as a shape', (_, description, message) => {
    const error = failure(description);
    expect(error.message).toContain(message);
    expect(error.code).toBe('ERR_SHAPE');
  });
});
