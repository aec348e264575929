// The package with a trained network in it, and without one: what predict, serve and models say.
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cli, cliProcess, runProcess, temporaryFolder, tinyConfig, type CliResult } from '../helpers/command-line';
import { picture } from '../serve/helpers';

const root = join(__dirname, '../..');
const folder = temporaryFolder();
const run = join(folder, 'run');
const bare = join(folder, 'bare');
const boxed = join(folder, 'boxed');
const image = join(folder, 'picture.png');
const env = { ...process.env, CUDA_VISIBLE_DEVICES: '', ONESPIKE_DATA: join(folder, 'data') };

/** A copy of the package as it would be installed, with these model files. */
function packageAt(path: string, models: readonly string[]): void {
  mkdirSync(join(path, 'models'), { recursive: true });
  cpSync(join(root, 'dist'), join(path, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(path, 'package.json'));
  mkdirSync(join(path, 'build'));
  cpSync(join(root, 'build/Release'), join(path, 'build/Release'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'));
  for (const model of models) cpSync(model, join(path, 'models/tiny.safetensors'));
}

const inPackage = (path: string, args: string[]): Promise<CliResult> =>
  runProcess(process.execPath, [join(path, 'dist/lib/cli/main.js'), ...args], { env });

beforeAll(async () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify(tinyConfig));
  expect((await cli(['train', config, '--out', run])).status).toBe(0);
  writeFileSync(image, picture(90, 50));
  const exported = join(folder, 'tiny.safetensors');
  const options = ['--dtype', 'f16', '--licence', 'CC0-1.0', '--limits', 'It has seen 180 images.'];
  const { status, stdout } = await cli(['export', run, '--format', 'safetensors', ...options, '-o', exported]);
  expect([status, stdout]).toEqual([0, expect.stringContaining('weights f16, snn; card')]);
  packageAt(bare, []);
  packageAt(boxed, [exported]);
}, 120_000);

test('the model file is half of the size, and its card tells what the run knows', async () => {
  const path = join(folder, 'tiny.safetensors');
  const whole = join(folder, 'whole.safetensors');
  await cli(['export', run, '--format', 'safetensors', '-o', whole]);
  const weights = 6 * 27 + 8 * 6 * 9 + 10 * 8 * 4 * 4;
  expect(statSync(whole).size - statSync(path).size).toBeGreaterThan(1.9 * weights);
  const [event] = (await cli(['models', 'show', path, '--json'])).events();
  const results = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).results;
  expect(event!.card).toMatchObject({
    name: 'tiny',
    network: { name: 'tiny', timesteps: 4, weights: 'f16' },
    data: { name: 'shapes', train: 180, validation: 20, test: 50, testHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    accuracy: { snn: results.snn.testAccuracy, ann: results.ann.testAccuracy, rounded: true },
    spikesPerNeuron: results.snn.spikesPerNeuron,
    energy: { ratio: results.energy.ratio, constants: 'int32' },
    licence: 'CC0-1.0',
    recipe: { snn: { epochs: 2 } },
  });
  expect(event!.card.limits).toContain('It has seen 180 images.');
  // What a reader sees: the page beside the file, which is what the command prints.
  const page = readFileSync(join(folder, 'tiny.md'), 'utf8');
  expect((await cli(['models', 'show', path])).stdout).toBe(page);
  for (const text of ['shapes: 180 images', 'before weights were rounded', 'CC0-1.0', '"epochs": 2'])
    expect(page).toContain(text);
  expect(page).not.toContain(folder);
});

test('predict uses the network of the package for pictures alone, and says so', async () => {
  const { status, stderr, events } = await inPackage(boxed, ['predict', image, image, '--json']);
  expect([status, stderr]).toEqual([0, 'network: tiny, of this package (onespike models show)\n']);
  const named = await inPackage(boxed, ['predict', 'tiny', image, '--json']);
  const byFile = await inPackage(bare, ['predict', join(folder, 'tiny.safetensors'), image, '--json']);
  expect([named.stderr, byFile.stderr]).toEqual(['', '']);
  expect(events()).toHaveLength(2);
  expect(events()[0]).toEqual(byFile.events()[0]);
  expect(named.events()).toEqual(byFile.events());
  const ofRun = await inPackage(bare, ['predict', run, image, '--json']);
  // Weights of 16 bits give nearly the same probabilities.
  expect(events()[0]!.class).toBeDefined();
  expect(events()[0]!.probabilities[3]).toBeCloseTo(ofRun.events()[0]!.probabilities[3], 2);
});

test('without a network in the package pictures alone are an error that says so', async () => {
  for (const args of [['predict', image], ['serve']]) {
    const { status, stderr } = await inPackage(bare, args);
    expect(status).toBe(1);
    expect(stderr).toMatch(/this package holds no trained network \(ERR_STATE\)/);
  }
  expect((await inPackage(bare, ['models', 'list'])).stdout).toMatch(/this package holds none/);
  const absent = await inPackage(boxed, ['predict', 'absent', image]);
  expect([absent.status, absent.stderr]).toEqual([1, expect.stringContaining('nothing is there')]);
  const alone = await inPackage(boxed, ['predict', run]);
  expect([alone.status, alone.stderr]).toEqual([2, expect.stringContaining('Expected pictures after')]);
});

test('models list tells what is there', async () => {
  const [model] = (await inPackage(boxed, ['models', 'list', '--json'])).events();
  expect(model).toMatchObject({ event: 'model', name: 'tiny', source: 'package', card: { licence: 'CC0-1.0' } });
  expect((await inPackage(boxed, ['models', 'list'])).stdout).toMatch(/tiny +package +shapes/);
});

test('serve answers until it is told to stop, and logs what it did', async () => {
  const child = spawn(process.execPath, [join(boxed, 'dist/lib/cli/main.js'), 'serve', '--port', '0', '--json'], {
    env,
  });
  let text = '';
  const lines = (): Record<string, any>[] =>
    text
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  const started = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(lines()[0]!.url as string);
    });
  });
  const url = await started;
  const response = await fetch(`${url}/predict`, { method: 'POST', body: new Uint8Array(readFileSync(image)) });
  const body = (await response.json()) as Record<string, unknown>;
  const [predicted] = (await inPackage(boxed, ['predict', image, '--json'])).events();
  const { image: _image, event: _event, ...expected } = predicted!;
  expect(body).toMatchObject({ model: 'tiny', ...expected, predictions: [expected] });
  const ended = new Promise((resolve) => child.on('close', (status) => resolve(status)));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(lines()).toMatchObject([
    { event: 'serve', url, model: 'tiny', mode: 'snn', backend: 'cpu', input: [3, 32, 32] },
    { event: 'request', method: 'POST', path: '/predict', status: 200, images: 1 },
    { event: 'stopped', requests: 1, images: 1 },
  ]);
});

test('a host that other machines reach comes with a warning', async () => {
  const result = await cliProcess(
    ['serve', join(folder, 'tiny.safetensors'), '--host', '0.0.0.0', '--port', '0', '--json'],
    {
      during: (stdout, child) => stdout.includes('"event":"serve"') && !child.killed && child.kill('SIGINT'),
    },
  );
  expect(result.status).toBe(0);
  expect(result.stdout).toContain('SERVE_EXPOSED');
  expect(result.stderr).toContain('knows no passwords');
});

test('the network of the package, where there is one, keeps its size', () => {
  const models = join(root, 'models');
  const files = existsSync(models) ? require('node:fs').readdirSync(models) : [];
  const networks = (files as string[]).filter((name) => name.endsWith('.safetensors'));
  expect(networks.length).toBeLessThanOrEqual(1);
  for (const name of networks) expect(statSync(join(models, name)).size).toBeLessThanOrEqual(1.5e6);
});
