import { layerShapes, resolveNetwork } from '../../lib/model/description';
import { VGG, vgg } from '../../lib/model/vgg';

const outs = (description: ReturnType<typeof vgg>): (number | undefined)[] =>
  description.layers.map((layer) => layer.out);

describe('vgg', () => {
  test.each(Object.keys(VGG))('%s is a valid network of the listed channels', (name) => {
    const description = vgg(name);
    const plan = VGG[name as keyof typeof VGG];
    expect(
      description.layers.slice(0, plan.length).map((layer) => (layer.type === 'avgpool' ? 'A' : layer.out)),
    ).toEqual([...plan]);
    expect(outs(description).slice(plan.length)).toEqual([4096, 4096, 10]);
    expect(description).toMatchObject({ name, timesteps: 5, input: [3, 32, 32] });
    expect(layerShapes(resolveNetwork(description)).at(-1)!.out).toEqual([10, 1, 1]);
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
  });

  test('takes its options', () => {
    const description = vgg('vgg6', {
      classes: 7,
      timesteps: 3,
      input: [1, 16, 16],
      width: 0.25,
      hidden: [32],
      dropout: 0.2,
      bias: true,
      leak: 1,
      threshold: 2,
      beta: 0,
      mean: [0.1],
      std: [0.2],
      name: 'small',
    });
    expect(description).toMatchObject({
      name: 'small',
      timesteps: 3,
      input: [1, 16, 16],
      beta: 0,
      mean: [0.1],
      std: [0.2],
    });
    expect(description.layers).toEqual([
      { type: 'conv', out: 16, bias: true, leak: 1, threshold: 2 },
      { type: 'avgpool' },
      { type: 'conv', out: 32, bias: true, leak: 1, threshold: 2, dropout: 0.2 },
      { type: 'conv', out: 32, bias: true, leak: 1, threshold: 2 },
      { type: 'avgpool' },
      { type: 'linear', out: 32, bias: true, leak: 1, threshold: 2, dropout: 0.2 },
      { type: 'linear', out: 7, output: true, bias: true, leak: 1, threshold: 2 },
    ]);
    expect(outs(vgg('vgg6', { hidden: [] })).slice(-2)).toEqual([undefined, 10]);
    expect(outs(vgg('vgg6', { width: 0.001 }))[0]).toBe(1);
  });

  test('pools before the neurons are no layers of their own', () => {
    const description = vgg('vgg6', { pool: 'before', hidden: [], dropout: 0.2, norm: 'batch' });
    expect(description.layers).toEqual([
      { type: 'conv', out: 64, norm: 'batch', pool: 2 },
      { type: 'conv', out: 128, norm: 'batch', dropout: 0.2 },
      { type: 'conv', out: 128, norm: 'batch', pool: 2 },
      { type: 'linear', out: 10, output: true },
    ]);
    const after = layerShapes(resolveNetwork(vgg('vgg6', { hidden: [] })));
    const before = layerShapes(resolveNetwork(vgg('vgg6', { hidden: [], pool: 'before' })));
    expect(before.map(({ out }) => out)).toEqual([1, 2, 4, 5].map((layer) => after[layer]!.out));
    expect(before.map(({ parameters }) => parameters)).toEqual([0, 2, 3, 5].map((layer) => after[layer]!.parameters));
  });

  test.each<[string, () => unknown, string, string]>([
    ['an unknown name', () => vgg('vgg13'), 'ERR_ARG', "'vgg6', 'vgg7', 'vgg9', 'vgg11', 'vgg16'"],
    ['an inherited name', () => vgg('toString'), 'ERR_ARG', 'for the name of a VGG network'],
    ['no name', () => vgg(undefined as unknown as string), 'ERR_ARG', 'but received undefined'],
    [
      'pools before the neurons of a code',
      () => vgg('vgg6', { pool: 'before', code: { kind: 'ttfs', window: 8 } }),
      'ERR_ARG',
      'a network with a code averages no currents) for layers[0].pool but received 2',
    ],
    ['a misspelt option', () => vgg('vgg9', { clases: 3 } as object), 'ERR_ARG', "(did you mean 'classes'?)"],
    ['a wrong option', () => vgg('vgg9', { width: 0 }), 'ERR_ARG', 'for width but received 0'],
    ['a wrong hidden layer', () => vgg('vgg9', { hidden: [4, 0] }), 'ERR_ARG', 'for hidden[1] but received 0'],
    [
      'options that are none',
      () => vgg('vgg9', 3 as unknown as object),
      'ERR_ARG',
      'for the options of vgg but received 3',
    ],
    [
      'an image too small for the pools',
      () => vgg('vgg16', { input: [3, 8, 8] }),
      'ERR_SHAPE',
      'for layers[13].kernel',
    ],
  ])('refuses %s', (_, call, code, message) => {
    expect(call).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }));
  });
});
