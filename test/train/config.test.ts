import { parseConfig, resolveConfig } from '../../lib/train/config/config';
import { applyOverride, mergeConfig } from '../../lib/train/config/merge';
import { presetConfig, presetNames } from '../../lib/train/config/presets';
import { datasetNames } from '../../lib/data';

function failure(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('Expected an error but there was none');
}

describe('presets', () => {
  test.each(presetNames.flatMap((name) => datasetNames.map((dataset) => [name, dataset] as const)))(
    '%s on %s is a valid configuration',
    (name, dataset) => {
      const config = presetConfig(name, dataset);
      expect(parseConfig(config)).toMatchObject({ preset: name, model: { name }, dataset: { name: dataset } });
    },
  );

  test('a printed preset resolves to itself', () => {
    const config = presetConfig('vgg9', 'cifar10');
    expect(resolveConfig(JSON.parse(JSON.stringify(config)))).toEqual(parseConfig(config));
  });

  test('an unknown preset is answered with the likely spelling', () => {
    expect(failure(() => resolveConfig('vgg19'))).toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringMatching(/did you mean 'vgg/i),
    });
  });
});

describe('resolveConfig', () => {
  test('given parts lie over the preset, overrides over both', () => {
    const config = resolveConfig({ preset: 'vgg11', snn: { epochs: 3 } }, [
      'snn.epochs=4',
      'snn.optimizer.kind=sgd',
      'dataset.name=cifar10',
    ]);
    expect(config).toMatchObject({
      model: { name: 'vgg11' },
      dataset: { name: 'cifar10' },
      snn: { epochs: 4, optimizer: { kind: 'sgd' } },
    });
    expect(config.ann.augment).toMatchObject({ padding: 4, flip: true, mixup: 0 });
  });

  test('a target for spikes that is asked for costs something, unless a strength is given too', () => {
    const activity = (...overrides: string[]): unknown => resolveConfig({}, overrides).snn.activity;
    expect(activity()).toEqual({ target: 0.1, strength: 0 });
    expect(activity('snn.activity.target=0.05')).toEqual({ target: 0.05, strength: 100 });
    expect(activity('snn.activity.target=0.05', 'snn.activity.strength=0')).toEqual({ target: 0.05, strength: 0 });
    const whole = resolveConfig({ binary: { activity: { target: 0.05 } } });
    expect(whole.binary.activity).toEqual({ target: 0.05, strength: 100 });
    expect(resolveConfig(resolveConfig({}))).toEqual(resolveConfig({}));
  });

  test('the name of the network chooses the preset below', () => {
    expect(resolveConfig({ model: { name: 'vgg16' } }).preset).toBe('vgg16');
  });

  test('layers take the place of the preset network', () => {
    const { model } = resolveConfig({ model: { layers: [{ type: 'linear', out: 10, output: true }] } });
    expect(model.name).toBeUndefined();
    expect(model.hidden).toBeUndefined();
    expect(model.timesteps).toBe(5);
  });

  test('an override reaches into a list of the preset', () => {
    expect(resolveConfig({}, ['model.hidden.0=7']).model.hidden?.[0]).toBe(7);
  });

  test('does not change what it was given', () => {
    const given = { snn: { epochs: 3 } };
    resolveConfig(given, ['snn.epochs=9']);
    expect(given).toEqual({ snn: { epochs: 3 } });
  });

  test.each([
    [['snn.epochs=-1'], 'Expected an integer of at least 0 for snn.epochs but received -1'],
    [['snn.epochs=1.5'], 'Expected an integer of at least 0 for snn.epochs but received 1.5'],
    [
      ['ann.optimizer.kind=adma'],
      "Expected one of 'sgd', 'adam', 'adamw' for ann.optimizer.kind but received 'adma' (did you mean 'adam'?)",
    ],
    [
      ['snn.optimiser.kind=sgd'],
      "Expected known keys for snn but received the unknown key 'optimiser' (did you mean 'optimizer'?)",
    ],
    [
      ['epochs=3'],
      "Expected known keys for the configuration but received the unknown key 'epochs' (known: preset, model",
    ],
    [['seed=-1'], 'Expected an integer from 0 to 2^53-1 for seed but received -1'],
    [['seed=9007199254740993'], 'for seed'],
    [['dataset.validation=1'], 'Expected a number in [0, 1) for dataset.validation but received 1'],
    [['dataset.name=cifar'], "for dataset.name but received 'cifar' (did you mean 'cifar10'?)"],
    [['model.timesteps=255'], 'Expected an integer from 1 to 254 for model.timesteps but received 255'],
    [['model.name=resnet'], 'model.name'],
    [['model=5'], 'Expected an object for model but received 5'],
    [['ann.epochs=0', 'snn.epochs=0', 'convert.enabled=false'], 'at least one stage'],
    [['convert.percentile=0'], 'Expected a number above 0, at most 100 for convert.percentile but received 0'],
    [['ann'], "Expected path.to.key=value for --set but received 'ann'"],
    [['=3'], 'path.to.key=value'],
    [['a..b=3'], 'path.to.key=value'],
    [['__proto__.polluted=1'], 'path.to.key=value'],
    [['seed.low=1'], 'Expected an object at "seed"'],
  ])('%j is refused', (overrides, message) => {
    const error = failure(() => resolveConfig({}, overrides));
    expect(error.code).toBe('ERR_ARG');
    expect(error.message).toContain(message);
  });

  test('the recipe of a preset for its own network says nothing of another one, or of a run without its phases', () => {
    expect(resolveConfig()).toMatchObject({ model: { norm: 'batch', timesteps: 1 }, binary: { epochs: 6 } });
    expect(resolveConfig({ model: { timesteps: 3 } })).toMatchObject({
      model: { timesteps: 3 },
      binary: { epochs: 6 },
    });
    const layers = [{ type: 'linear' as const, out: 10, output: true }];
    for (const given of [
      { model: { layers } },
      { model: { genes: { count: 4 } } },
      { init: 'model.safetensors' },
      { ann: { epochs: 0 } },
      { convert: { enabled: false } },
    ])
      expect(resolveConfig(given)).toMatchObject({ model: { timesteps: 5 }, binary: { epochs: 0 } });
  });

  test('a configuration that is no object is refused', () => {
    for (const wrong of [5, null, [], true]) expect(failure(() => resolveConfig(wrong as never)).code).toBe('ERR_ARG');
  });
});

describe('merge and overrides', () => {
  test('objects merge, lists and values are replaced', () => {
    expect(mergeConfig({ a: { b: 1, c: [1, 2] }, d: 3 }, { a: { c: [9] }, d: { e: 1 } })).toEqual({
      a: { b: 1, c: [9] },
      d: { e: 1 },
    });
  });

  test('a value is JSON where it can be, text where not', () => {
    const at = (assignment: string) => (applyOverride({}, assignment) as { k: unknown }).k;
    expect(at('k=1e-3')).toBe(0.001);
    expect(at('k=[1,2]')).toEqual([1, 2]);
    expect(at('k=false')).toBe(false);
    expect(at('k=adam')).toBe('adam');
    expect(at('k="7"')).toBe('7');
    expect(at('k=a=b')).toBe('a=b');
    expect(at('k=')).toBe('');
  });
});
