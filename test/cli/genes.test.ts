// `onespike genes`: the model file that it writes, what takes it, and what is refused.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeGenes, Network } from '../../lib';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();
const run = join(folder, 'run');
const layers = [
  { type: 'conv', out: 6, stride: 2, norm: 'batch' },
  { type: 'conv', out: 8, norm: 'batch' },
  { type: 'linear', out: 10, output: true },
];

beforeAll(async () => {
  const config = join(folder, 'tiny.json');
  const model = { name: 'tiny', layers, normGroup: 8 };
  writeFileSync(config, JSON.stringify({ ...tinyConfig, model }));
  expect((await cli(['train', config, '--out', run, '--json'])).status).toBe(0);
}, 120_000);

const genes = (...more: string[]) => cli(['genes', run, '--count', '4', ...more], { cwd: folder });

test('the ANN of a run becomes a model file with genes, which eval and train --init take', async () => {
  const { status, events } = await genes(
    '--ann',
    '--steps',
    '50',
    '--backend',
    'cpu',
    '-o',
    'fitted.safetensors',
    '--json',
  );
  expect(status).toBe(0);
  const [event] = events();
  expect(event).toMatchObject({ event: 'genes', file: run, output: 'fitted.safetensors', genes: 4, steps: 50 });
  expect(event!.compression).toEqual({
    genes: 6 * 4 + 8 * 4 + 9 * 16 + 1 + 3 * 6 * 9,
    weights: 594,
    saved: expect.any(Number),
  });
  const [, fields] = /\n\| `genes` +\|([^|]*)\|/.exec(readFileSync(join(__dirname, '../../docs/CLI.md'), 'utf8'))!;
  const documented = [...fields!.replaceAll(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, name]) => name);
  expect([...documented, 'event'].sort()).toEqual(Object.keys(event!).sort());

  const dense = await Network.open(join(run, 'checkpoints/ann-best.safetensors'), { backend: 'cpu' });
  const expected = await encodeGenes(dense, 4, { steps: 50, backend: 'cpu', seed: 1 });
  const written = await Network.open(join(folder, 'fitted.safetensors'), { backend: 'cpu' });
  expect(event!.residual).toBe(expected.residual);
  expect(await written.parameters()).toEqual(await expected.network.parameters());
  expect(written.description).toEqual({ ...dense.description, genes: { count: 4 } });
  await Promise.all([dense, expected.network, written].map((network) => network.dispose()));

  const model = join(folder, 'fitted.safetensors');
  const evaluated = await cli(['eval', model, '--dataset', 'shapes', '--backend', 'cpu', '--json']);
  expect(evaluated.events()[0]).toMatchObject({ event: 'eval', mode: 'ann' });
  const more = ['dataset.trainCount=60', 'dataset.testCount=20', 'ann.epochs=1', 'snn.epochs=0', 'convert.images=20'];
  const trained = await cli([
    ...['train', '--init', model, '--dataset', 'shapes', '--out', join(folder, 'more'), '--json'],
    ...more.flatMap((value) => ['--set', value]),
  ]);
  expect(trained.status).toBe(0);
}, 120_000);

test('a line for a person, and its own file as the default, which is never replaced', async () => {
  const { status, stdout } = await genes('--steps', '3');
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /4 genes: 363 numbers for 594 weights of convolutions \(38.9 % fewer\), [\d.]+ % of their squares/,
  );
  expect(stdout).toContain('onespike eval genes.safetensors --dataset NAME, or train --init genes.safetensors');
  const more = await cli(['genes', run, '--count', '9', '--steps', '3', '-o', 'more.safetensors'], { cwd: folder });
  expect(more.stdout).toContain('9 genes: 1.02 k numbers for 594 weights of convolutions (71.4 % more)');
  const again = await genes('--steps', '3');
  expect([again.status, again.stderr]).toEqual([
    2,
    expect.stringContaining('genes.safetensors, which is there already'),
  ]);
}, 60_000);

test('without --ann it is the network that the run ended with', async () => {
  const spiking = join(folder, 'spiking.safetensors');
  expect((await genes('--steps', '3', '--backend', 'cpu', '-o', spiking)).status).toBe(0);
  const [evaluated] = (await cli(['eval', spiking, '--dataset', 'shapes', '--backend', 'cpu', '--json'])).events();
  expect(evaluated).toMatchObject({ event: 'eval', mode: 'snn' });
  const written = await Network.open(spiking, { backend: 'cpu' });
  const ended = await Network.open(join(run, 'model.safetensors'), { backend: 'cpu' });
  expect(written.description).toEqual({ ...ended.description, genes: { count: 4 } });
  await Promise.all([written, ended].map((network) => network.dispose()));
}, 60_000);

test.each<[string[], number, string]>([
  [['genes', join(run, 'model.safetensors'), '--count', '4', '--ann'], 2, 'Expected the folder of a run with --ann'],
  [['genes', run], 2, "required option '--count <n>'"],
  [['genes', run, '--count', '0'], 2, 'Expected an integer from 1 to 4096 for --count'],
  [['genes', run, '--count', '4', '--steps', 'many'], 2, 'Expected an integer from 1 to 1000000 for --steps'],
  [['genes', run, '--count', '4', '--backend', 'abacus'], 2, 'for --backend but received'],
  [['genes', join(folder, 'absent'), '--count', '4'], 1, 'no such file or folder'],
])('%j is refused and writes nothing', async (args, status, text) => {
  const refused = await cli([...args, '-o', 'none.safetensors'], { cwd: folder });
  expect([refused.status, refused.stderr]).toEqual([status, expect.stringContaining(text)]);
  expect(existsSync(join(folder, 'none.safetensors'))).toBe(false);
});

test('Ctrl-C ends it with 130 and writes nothing', async () => {
  const target = join(folder, 'stopped.safetensors');
  const stopped = await cliProcess(['genes', run, '--count', '4', '--steps', '1000000', '-o', target, '--json'], {
    started: (child) => setTimeout(() => child.kill('SIGINT'), 3000),
  });
  expect(stopped.status).toBe(130);
  expect(stopped.events().at(-1)).toMatchObject({ event: 'error', message: 'Interrupted; nothing was written.' });
  expect(existsSync(target)).toBe(false);
}, 60_000);
