// State dicts of PyTorch as networks: the logits are those that PyTorch computed, whichever way they were saved.
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importModel, type ImportOptions } from '../../lib/exchange';
import { Network } from '../../lib/model/network';
import { temporaryFolder } from '../helpers/command-line';
import { annLogits, expected, fileOf, largestDifference } from './helpers';

const folder = temporaryFolder();
const { mean, std } = expected as { mean: number[]; std: number[] };
const vgg: ImportOptions = { input: [3, 8, 8] };
const failing = (code: string, text: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('logits as PyTorch computes them', () => {
  test.each<[string, string, ImportOptions]>([
    ['vgg.pth', 'vgg', vgg],
    ['checkpoint.pth', 'vgg', vgg],
    ['views.pt', 'vgg', vgg],
    ['plain.safetensors', 'plain', vgg],
    ['half.safetensors', 'half', vgg],
    ['bfloat16.safetensors', 'bfloat16', vgg],
    ['model.safetensors.index.json', 'plain', vgg],
    ['torchvision.pth', 'torchvision32', { input: [3, 32, 32] }],
    ['torchvision.pth', 'torchvision96', { input: [3, 96, 96] }],
  ])('%s', async (file, network, options) => {
    const model = await importModel(fileOf(file), { mean, std, ...options });
    expect(largestDifference(await annLogits(model), expected[network]!)).toBeLessThan(1e-5);
  });
});

describe('the network that shapes and numbers say', () => {
  test('of the layout of torchvision with normalisation', async () => {
    const { network, table, warnings, format } = await importModel(fileOf('vgg.pth'), vgg);
    expect(format).toBe('pytorch');
    expect(network.input).toEqual([3, 8, 8]);
    expect(network.layers.map(({ type, out, norm, bias, output }) => [type, out, norm, bias, output])).toEqual([
      ['conv', 4, 'batch', true, false],
      ['avgpool', 0, 'none', false, false],
      ['conv', 5, 'batch', true, false],
      ['conv', 6, 'batch', true, false],
      ['avgpool', 0, 'none', false, false],
      ['linear', 6, 'none', true, false],
      ['linear', 3, 'none', true, true],
    ]);
    expect(table).toContainEqual({
      source: 'features.4.weight',
      target: 'layers.2.weight',
      shape: [5, 4, 3, 3],
      dtype: 'F32',
    });
    expect(table).toContainEqual({
      source: 'features.8.running_var',
      target: 'layers.3.norm.running_var',
      shape: [6],
      dtype: 'F32',
    });
    expect(table).toContainEqual({ source: 'features.1.num_batches_tracked', target: null, shape: [], dtype: 'I64' });
    expect(table).toHaveLength(25);
    expect(warnings).toEqual([expect.stringContaining('average pools of 2 x 2')]);
  });

  test('of VGG-11, whose images are those that its classifier was made for', async () => {
    const { network } = await importModel(fileOf('torchvision.pth'));
    expect(network.input).toEqual([3, 224, 224]);
    const { network: small, warnings } = await importModel(fileOf('torchvision.pth'), { input: [3, 32, 32] });
    expect(small.input).toEqual([3, 32, 32]);
    expect(warnings).toContainEqual(expect.stringContaining('adaptive average pool'));
  });

  test('but the shape of an image where a pool may end the convolutions, or not', async () => {
    await expect(importModel(fileOf('plain.safetensors'))).rejects.toEqual(
      failing('ERR_ARG', 'fits 8 x 8, and 16 x 16 with a pool after the last convolution'),
    );
    await expect(importModel(fileOf('plain.safetensors'), { input: [3, 32, 32] })).rejects.toEqual(
      failing('ERR_SHAPE', 'Expected an image whose map has 4 x 4 pixels'),
    );
  });

  test('or the one that is given', async () => {
    const { network } = await importModel(fileOf('plain.safetensors'), { ...vgg, timesteps: 7, name: 'mine' });
    const layers = network.layers.map((layer) => ({ ...layer, leak: layer.type === 'avgpool' ? 1 : 0.5 }));
    const model = await importModel(fileOf('plain.safetensors'), { model: { ...network, layers } });
    expect([network.name, network.timesteps, network.beta]).toEqual(['mine', 7, 0]);
    expect(model.network.layers[0]!.leak).toBe(0.5);
    expect([...model.tensors.get('layers.0.leak')!.data]).toEqual([0.5]);
    expect(model.warnings).toEqual([]);
  });

  test('a preset says where the pools are', async () => {
    await expect(importModel(fileOf('vgg.pth'), { model: 'vgg9' })).rejects.toEqual(
      failing('ERR_SHAPE', 'Expected 7 convolutions (vgg9)'),
    );
    const { network } = await importModel(fileOf('vgg.pth'), { model: 'vgg6' });
    expect(network.layers.map(({ type }) => type).join(' ')).toBe('conv avgpool conv conv avgpool linear linear');
  });
});

describe('a map', () => {
  test('leaves modules out, and puts others elsewhere', async () => {
    const model = { ...vgg, mean, std, map: { 'features.0': 'layers.0', 'features.1': 'layers.0.norm' } };
    const mapped = await importModel(fileOf('vgg.pth'), model);
    expect(largestDifference(await annLogits(mapped), expected.vgg!)).toBeLessThan(1e-5);
    const without = await importModel(fileOf('vgg.pth'), { map: { 'features.8': '' }, model: 'vgg6' });
    expect(without.network.layers[3]!.norm).toBe('none');
    expect(without.table).toContainEqual(expect.objectContaining({ source: 'features.8.weight', target: null }));
  });

  test.each<[Record<string, string>, string, string]>([
    [{ feature: '' }, 'ERR_ARG', "received 'feature'"],
    [{ 'features.0': 'layers.1' }, 'ERR_SHAPE', "a free layer of weights for 'features.0' but received 'layers.1'"],
    [{ 'features.0': 'layers.5' }, 'ERR_SHAPE', "Expected linear for layers.5 but received 'features.0', conv"],
    [{ 'features.0': 'layer 1' }, 'ERR_ARG', "'layers.I', 'layers.I.norm' or ''"],
    [{ 'features.4': 'layers.0', 'features.0': 'layers.2' }, 'ERR_SHAPE', 'for layers.0.weight'],
    [{ 'features.4': '', 'features.5': '' }, 'ERR_FORMAT', 'from which the places of pools are read'],
  ])('%j is refused', async (map, code, text) => {
    await expect(importModel(fileOf('vgg.pth'), { ...vgg, map })).rejects.toEqual(failing(code, text));
  });
});

describe('refused by name, and nothing of it executed', () => {
  test.each([
    ['evil.pt', "'posix.system', which was not called; save the tensors alone"],
    ['object.pt', "'collections.Counter', which was not called"],
    ['cycle.pt', 'Expected a dictionary of tensors, or one under state_dict, '],
    ['legacy.pt', 'a Python pickle, as PyTorch wrote before version 1.6'],
    ['script.pt', 'a program of TorchScript'],
    ['float8.pt', 'Expected a linear layer'],
  ])('%s', async (file, text) => {
    // The one that is no error: a network of a single linear layer.
    if (file === 'float8.pt') {
      const { tensors } = await importModel(fileOf(file));
      expect([...tensors.get('layers.0.weight')!.data]).toEqual(new Array(12).fill(1));
      return;
    }
    await expect(importModel(fileOf(file))).rejects.toEqual(failing('ERR_FORMAT', text));
    expect(existsSync('executed')).toBe(false);
  });

  test('a model file of onespike, and an index that names files elsewhere', async () => {
    const path = join(folder, 'own.safetensors');
    await importModel(fileOf('plain.safetensors'), { ...vgg, output: path });
    await expect(importModel(path)).rejects.toEqual(failing('ERR_FORMAT', 'needs no import'));
    const index = join(folder, 'model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ weight_map: { a: '../own.safetensors' } }));
    await expect(importModel(index)).rejects.toEqual(failing('ERR_FORMAT', "beside the index for 'a'"));
    copyFileSync(path, join(folder, 'shard.safetensors'));
    writeFileSync(index, JSON.stringify({ weight_map: { a: 'shard.safetensors' } }));
    await expect(importModel(index)).rejects.toEqual(failing('ERR_FORMAT', "a tensor 'a'"));
    writeFileSync(index, Buffer.from('{"weight_map": {"\xe4": "shard.safetensors"}}', 'latin1'));
    await expect(importModel(index)).rejects.toEqual(failing('ERR_FORMAT', 'JSON in UTF-8'));
  });
});

test('the model file opens as a network of the same numbers', async () => {
  const path = join(folder, 'model.safetensors');
  const { tensors } = await importModel(fileOf('vgg.pth'), { ...vgg, mean, std, output: path });
  const network = await Network.open(path, { backend: 'cpu', threads: 1 });
  const parameters = await network.parameters();
  await network.dispose();
  expect(parameters).toEqual(tensors);
});
