// What can be refused is refused before the folder of the run exists.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveConfig, type TrainConfigInput } from '../../lib/train/config/config';
import { train } from '../../lib/train/loop/train';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();

async function refusal(change: object, out = join(folder, 'run')): Promise<{ code: string; message: string }> {
  const config = { ...structuredClone(tinyConfig), out, ...change } as unknown as TrainConfigInput;
  try {
    for await (const event of train(config)) throw new Error(`Expected a refusal but ${event.event} came`);
  } catch (error) {
    expect(existsSync(out)).toBe(false);
    return error as { code: string; message: string };
  }
  throw new Error('Expected a refusal');
}

const output = (out: number): object => ({
  model: {
    layers: [
      { type: 'conv', out: 4, stride: 4 },
      { type: 'linear', out, output: true },
    ],
  },
});

test.each([
  [
    'a scale of conversion that would fail after the whole ANN phase',
    { convert: { scale: 1e30 } },
    /0\.000001 to 1000000 for convert\.scale/,
  ],
  ['fewer outputs than classes', output(2), /10 \(a class of shapes each\) for model.layers\[1\].out but received 2/],
  ['more outputs than classes', output(16), /for model.layers\[1\].out but received 16/],
  ['no outputs', output(0), /model.layers\[1\].out|layers\[1\].out/],
  [
    'another input than the images',
    { model: { ...tinyConfig.model, input: [3, 28, 28] } },
    /3 x 32 x 32.*for model.input but received '3 x 28 x 28'/,
  ],
  ['gamma beyond float32', { model: { ...tinyConfig.model, gamma: 1e39 } }, /for model.gamma/],
  ['gamma that is zero in float32', { model: { ...tinyConfig.model, gamma: 1e-60 } }, /for model.gamma/],
  ['lo above hi', { model: { ...tinyConfig.model, lo: 2 } }, /above lo \(2\) for model.hi but received 1/],
  [
    'an absurd learning rate',
    { snn: { optimizer: { learningRate: 1e30 } } },
    /at most 100 for snn.optimizer.learningRate/,
  ],
  [
    'an absurd neuron learning rate',
    { snn: { optimizer: { neuronLearningRate: 1e4 } } },
    /snn.optimizer.neuronLearningRate/,
  ],
  ['an epsilon that is zero in float32', { ann: { optimizer: { epsilon: 1e-60 } } }, /ann.optimizer.epsilon/],
  ['a schedule that raises the rate', { ann: { schedule: { kind: 'step', factor: 1e3 } } }, /ann.schedule.factor/],
  ['a padding beyond the limit', { ann: { augment: { padding: 70000 } } }, /ann.augment.padding/],
  [
    'a size that the set does not have',
    { dataset: { name: 'mnist', size: 64 } },
    /no dataset.size for the data set mnist/,
  ],
  [
    'files for a set that has none',
    { dataset: { name: 'shapes', directory: folder } },
    /dataset.directory for the data set shapes.*such as folder/,
  ],
  ['a model file that is not there', { init: join(folder, 'absent.safetensors') }, /absent\.safetensors/],
  ['data that are not there', { dataset: { directory: join(folder, 'absent') } }, /absent/],
  [
    'a layer with an unknown key',
    { model: { layers: [{ type: 'conv', out: 4, kernal: 3 }] } },
    /model.layers\[0\] .*did you mean 'kernel'/,
  ],
])('%s', async (_name, change, message) => {
  expect((await refusal(change)).message).toMatch(message);
});

test('a folder that cannot be created is refused before the images are read', async () => {
  writeFileSync(join(folder, 'file'), '');
  const started = performance.now();
  const big = { dataset: { name: 'shapes', trainCount: 200_000, testCount: 10 } };
  expect(await refusal(big, join(folder, 'file', 'run'))).toMatchObject({ code: 'ERR_IO' });
  mkdirSync(join(folder, 'held'));
  writeFileSync(join(folder, 'held', 'something'), '');
  await expect(train({ ...tinyConfig, ...big, out: join(folder, 'held') } as never).next()).rejects.toMatchObject({
    code: 'ERR_STATE',
  });
  // Drawing so many would take half a minute.
  expect(performance.now() - started).toBeLessThan(5000);
});

describe('which data set is meant', () => {
  test.each([
    [{ dataset: { directory: 'x' } }, [], 'folder'],
    [{}, ['dataset.directory=x'], 'folder'],
    [{ dataset: { name: 'cifar10' } }, ['dataset.directory=x'], 'cifar10'],
    [{}, [], 'shapes'],
  ])('%j with %j is %s', (config, overrides, name) => {
    const resolved = resolveConfig(config as object, overrides);
    expect(resolved.dataset.name).toBe(name);
    if (name === 'folder') expect(resolved.model).toMatchObject({ width: 0.25, hidden: [128, 128], dropout: 0.1 });
  });

  test('a contradiction is wrong usage', async () => {
    const { status, stderr } = await cli(['train', '--dataset', 'shapes', '--data', folder]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/dataset.directory for the data set shapes/);
  });

  test('so is a folder of pictures that nothing names', async () => {
    const env = { ONESPIKE_DATA: '' };
    const { status, stderr } = await cliProcess(['train', '--dataset', 'folder'], { env, cwd: folder });
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^error Expected a folder of pictures for the data set folder .*--data DIR.* but received none\nhint /,
    );
  });
});

describe('spiking training without a conversion before it', () => {
  const scratch = { ann: { epochs: 0 }, convert: { enabled: false } };

  test('starts with a surrogate that reaches silent neurons, unless one is named or a model file is trained further', () => {
    expect(resolveConfig(scratch).model.surrogate).toBe('arctan');
    expect(resolveConfig({}, ['convert.enabled=false']).model.surrogate).toBe('arctan');
    expect(resolveConfig({ ...scratch, model: { surrogate: 'triangle' } }).model.surrogate).toBe('triangle');
    expect(resolveConfig({ ...scratch, init: 'm.safetensors' }).model.surrogate).toBe('triangle');
    expect(resolveConfig().model.surrogate).toBe('triangle');
  });
});
