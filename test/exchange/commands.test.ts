// `import`, and what takes the model file that it writes: `eval` and `train --init`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cli, temporaryFolder } from '../helpers/command-line';
import { fileOf } from './helpers';

const folder = temporaryFolder();
const model = join(folder, 'model.safetensors');
const few = ['dataset.trainCount=60', 'dataset.testCount=20', 'ann.epochs=0', 'snn.epochs=1', 'convert.images=20'];

test('a state dict becomes a model file, which eval and train --init take', async () => {
  const given = ['import', fileOf('torchvision.pth'), '--input', '3,32,32', '--mean', '0.5,0.5,0.5', '-o', model];
  const people = await cli(given);
  expect(people.status).toBe(0);
  expect(people.stdout).toContain('features.0.weight    ');
  expect(people.stdout).toContain('layers.0.norm.running_mean');
  expect(people.stdout).toContain(`onespike train --init ${model}`);
  expect(people.stderr).toContain('all are average pools');
  const [pools, adaptive, event] = (await cli([...given, '--json'])).events();
  expect([pools!.code, adaptive!.code]).toEqual(['IMPORT_ASSUMED', 'IMPORT_ASSUMED']);
  expect(event).toMatchObject({ event: 'import', output: model, format: 'pytorch', parameters: 462 });
  expect(event!.network.mean).toEqual([0.5, 0.5, 0.5]);
  expect(event!.tensors[0]).toEqual({
    source: 'features.0.weight',
    target: 'layers.0.weight',
    shape: [2, 3, 3, 3],
    dtype: 'F32',
  });

  const [evaluated] = (await cli(['eval', model, '--dataset', 'shapes', '--backend', 'cpu', '--json'])).events();
  expect(evaluated).toMatchObject({ event: 'eval', mode: 'ann', images: 1000 });

  const run = join(folder, 'run');
  const sets = few.flatMap((value) => ['--set', value]);
  const trained = await cli(['train', '--init', model, '--dataset', 'shapes', '--out', run, ...sets, '--json']);
  expect(trained.stderr.replace(/^warning.*\n/gm, '')).toBe('');
  const start = trained.events().find(({ event: name }) => name === 'start');
  expect(start).toMatchObject({ model: 'torchvision', timesteps: 5 });
  const converted = trained.events().find(({ event: name }) => name === 'converted');
  expect(converted!.annTestAccuracy).not.toBeNull();
  expect(trained.status).toBe(0);
});

test.each<[string[], string]>([
  [['import', 'absent.pth', '-o', 'x.safetensors'], 'no such file'],
  [['import', fileOf('evil.pt'), '-o', 'x.safetensors'], "'posix.system', which was not called"],
])('%j fails with a reason and writes nothing', async (args, text) => {
  const { status, stderr } = await cli(args, { cwd: folder });
  expect(status).toBe(1);
  expect(stderr).toContain(text);
  expect(['executed', 'x.safetensors'].map((name) => existsSync(join(folder, name)))).toEqual([false, false]);
});

test.each<[string[], string]>([
  [['import', model], 'Expected another file than model.safetensors, which is being read'],
  [['import', fileOf('vgg.pth')], 'Expected another file than model.safetensors, which is there already'],
  [['import', fileOf('vgg.pth'), '-o', 'x.safetensors', '--map', 'features.0'], 'Expected MODULE=LAYER'],
  [['import', fileOf('vgg.pth'), '-o', 'x.safetensors', '--input', '3,32'], 'Expected 3 numbers'],
  [['import', fileOf('vgg.pth'), '-o', 'x.safetensors', '--model', 'absent.json'], 'Could not read absent.json'],
  [['eval', model], 'received a model file alone'],
  [['eval', folder, '--dataset', 'shapes'], 'Expected a model file with --dataset NAME'],
])('%j is wrong usage', async (args, text) => {
  const { status, stderr } = await cli(args, { cwd: folder });
  expect(stderr).toContain(text);
  expect(status).toBe(2);
});
