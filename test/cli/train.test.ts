// A whole run through the command line, and everything that can be asked of it afterwards.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../../lib/io/safetensors';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();
const config = join(folder, 'tiny.json');
const run = join(folder, 'run');
let events: Record<string, any>[];

/** Matches a number from 0 to 1. */
const share = {
  asymmetricMatch: (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1,
  toString: () => 'a number from 0 to 1',
} as unknown as number;

beforeAll(async () => {
  writeFileSync(config, JSON.stringify(tinyConfig));
  const result = await cliProcess(['train', config, '--out', run, '--seed', '3', '--json']);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
  events = result.events();
  // As other programs write it back: the same tensors, none of the metadata.
  const { tensors } = await readSafetensors(join(run, 'model.safetensors'));
  await writeSafetensors(join(folder, 'bare.safetensors'), tensors, { format: 'pt' });
});

test('the events come in order and have their fields', () => {
  const kinds = events.map(({ event }) => event).filter((event) => !['progress', 'warning'].includes(event));
  expect(kinds).toEqual(['start', 'epoch', 'epoch', 'converted', 'epoch', 'epoch', 'done']);
  expect(events[0]).toMatchObject({
    event: 'start',
    version: expect.any(String),
    backend: expect.any(String),
    processor: expect.any(String),
    device: expect.any(String),
    threads: 1,
    model: 'tiny',
    dataset: 'shapes',
    seed: 3,
    resumed: null,
  });
  for (const epoch of events.filter(({ event }) => event === 'epoch')) {
    expect(epoch).toMatchObject({
      phase: expect.stringMatching(/^(ann|snn)$/),
      trainAccuracy: share,
      validationAccuracy: share,
      spikesPerNeuron: share,
    });
    expect(epoch.trainLoss).toBeGreaterThan(0);
    expect(epoch.imagesPerSecond).toBeGreaterThan(0);
  }
  const converted = events.find(({ event }) => event === 'converted')!;
  expect(converted).toMatchObject({ accuracy: share, annTestAccuracy: share });
  expect(Object.keys(converted.thresholds)).toEqual(['layers.0.threshold', 'layers.2.threshold', 'layers.4.threshold']);
  const done = events.at(-1)!;
  expect(done).toMatchObject({
    event: 'done',
    run,
    ann: { testAccuracy: converted.annTestAccuracy },
    converted: { testAccuracy: converted.accuracy },
    snn: { testAccuracy: share, spikesPerNeuron: share, layers: [{ layer: 'layers.0' }, { layer: 'layers.2' }] },
    seconds: expect.any(Number),
  });
  const epochs = events.filter(({ event }) => event === 'epoch');
  for (const { cpuSeconds } of epochs) expect(cpuSeconds).toBeGreaterThan(0);
  expect(done.cpuSeconds).toBeGreaterThan(epochs.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0));
  expect(done.energy.ratio).toBeGreaterThan(0);
});

test('the folder holds what it should', () => {
  const info = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
  expect(info).toMatchObject({
    format: 1,
    seed: 3,
    config: { out: run, seed: 3 },
    network: { name: 'tiny' },
    host: { node: process.version },
    results: { event: 'done' },
  });
  const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(metrics).toEqual(events.filter(({ event }) => event === 'epoch' || event === 'converted'));
  for (const file of [
    'model.safetensors',
    'checkpoints/last.safetensors',
    'checkpoints/ann-best.safetensors',
    'checkpoints/converted.safetensors',
  ])
    expect(existsSync(join(run, file))).toBe(true);
  expect(existsSync(join(run, 'run.lock'))).toBe(false);
});

test('the same seed gives the same bytes, whatever the number of threads', async () => {
  const again = join(folder, 'again');
  expect((await cli(['train', config, '--out', again, '--seed', '3', '--threads', '2', '--json'])).status).toBe(0);
  expect(readFileSync(join(again, 'model.safetensors')).equals(readFileSync(join(run, 'model.safetensors')))).toBe(
    true,
  );
});

test('eval reproduces the test accuracy', async () => {
  const { status, events: lines } = await cliProcess(['eval', run, '--json']);
  expect(status).toBe(0);
  expect(lines()).toMatchObject([
    { event: 'eval', mode: 'snn', images: 50, accuracy: events.at(-1)!.snn.testAccuracy },
  ]);
});

test('energy gives every account', async () => {
  const { status, events: lines } = await cliProcess(['energy', run, '--images', '20', '--json']);
  expect(status).toBe(0);
  const [report] = lines();
  expect(report).toMatchObject({ event: 'energy', images: 20 });
  expect(report!.ratio).toBeCloseTo(events.at(-1)!.energy.ratio, 9);
  expect((await cli(['energy', run])).stdout).toContain('pJ/MAC');
  const model = join(run, 'model.safetensors');
  const ofModel = await cli(['energy', model, '--dataset', 'shapes', '--images', '20', '--json']);
  expect(ofModel.events()[0]).toMatchObject({ event: 'energy', run: model, images: 20, ratio: expect.any(Number) });
  expect(await cli(['energy', model])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Expected a run, or --dataset NAME'),
  });
});

test('predict names class, probability and time step of each picture', async () => {
  const picture = join(folder, 'picture.ppm');
  writeFileSync(picture, Buffer.concat([Buffer.from('P6 32 32 255\n'), Buffer.alloc(32 * 32 * 3, 120)]));
  const { status, events: lines } = await cli(['predict', run, picture, picture, '--json']);
  expect(status).toBe(0);
  expect(lines()).toHaveLength(2);
  expect(lines()[0]).toMatchObject({
    event: 'predict',
    image: picture,
    class: expect.any(String),
    probability: share,
    timesteps: 4,
  });
  expect(lines()[0]!.step).toBeGreaterThanOrEqual(1);
  expect(lines()[0]!.step).toBeLessThanOrEqual(4);
  expect(lines()[0]!.probabilities.reduce((sum: number, p: number) => sum + p, 0)).toBeCloseTo(1, 9);
  const missing = await cliProcess(['predict', run, 'absent.png', '--json']);
  expect(missing.status).toBe(1);
  expect(missing.events()).toMatchObject([{ event: 'error', code: 'ERR_IO' }]);
  const second = await cli(['predict', run, picture, 'absent.png']);
  expect(second.status).toBe(1);
  expect(second.stdout).toContain('picture.ppm');
});

test('predict answers in the order of the pictures, more than one pass holds, up to the first that cannot be read', async () => {
  const pictures = Array.from({ length: 66 }, (_, i) => join(folder, `picture-${i}.ppm`));
  for (const [i, file] of pictures.entries())
    writeFileSync(file, Buffer.concat([Buffer.from('P6 32 32 255\n'), Buffer.alloc(32 * 32 * 3, 3 * i)]));
  const all = await cli(['predict', run, ...pictures, join(folder, 'absent.png'), pictures[0]!, '--json']);
  expect(all.status).toBe(1);
  const events = all.events();
  expect(events.map(({ image, code }) => image ?? code)).toEqual([...pictures, 'ERR_IO']);
  const alone = await cli(['predict', run, pictures[65]!, '--json']);
  expect(events[65]).toEqual(alone.events()[0]);
});

test('an existing folder is refused, and left as it is', async () => {
  const before = readFileSync(join(run, 'run.json'), 'utf8');
  const { status, events: lines } = await cli(['train', config, '--out', run, '--json']);
  expect(status).toBe(1);
  expect(lines()).toMatchObject([{ event: 'error', code: 'ERR_STATE', message: expect.stringContaining('resume') }]);
  expect(readFileSync(join(run, 'run.json'), 'utf8')).toBe(before);
});

test('resuming a finished run repeats its result', async () => {
  const { status, events: lines } = await cli(['resume', run, '--json']);
  expect(status).toBe(0);
  expect(lines()).toEqual([events.at(-1)]);
});

test('for a person there are lines and a table, no JSON', async () => {
  const { status, stdout } = await cli(['train', config, '--set', 'ann.epochs=1', '--set', 'snn.epochs=1'], {
    cwd: folder,
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ann 1\/1 {2}loss /m);
  expect(stdout).toMatch(/^SNN +\d+\.\d\d %$/m);
  expect(stdout).toMatch(/next +onespike predict runs\/tiny-shapes-\d{8}-\d{6} IMAGE/);
  expect(stdout).not.toMatch(/[{\r]/);
});

test.each([
  ['spiking from scratch', ['ann.epochs=0', 'convert.enabled=false'], ['start', 'epoch', 'epoch', 'done']],
  ['conversion alone', ['ann.epochs=1', 'snn.epochs=0'], ['start', 'epoch', 'converted', 'done']],
  ['ANN alone', ['snn.epochs=0', 'convert.enabled=false'], ['start', 'epoch', 'epoch', 'done']],
  [
    'from a model file',
    [`init=${join(run, 'model.safetensors')}`, 'ann.epochs=0', 'convert.enabled=false', 'snn.epochs=1'],
    ['start', 'epoch', 'done'],
  ],
  [
    'from tensors without an architecture',
    [`init=${join(folder, 'bare.safetensors')}`, 'ann.epochs=0', 'convert.enabled=false', 'snn.epochs=1'],
    ['start', 'epoch', 'done'],
  ],
  [
    'without validation',
    ['dataset.validation=0', 'ann.epochs=1', 'snn.epochs=1'],
    ['start', 'epoch', 'converted', 'epoch', 'done'],
  ],
])('%s', async (name, settings, expected) => {
  const {
    status,
    events: lines,
    stderr,
  } = await cli([
    'train',
    config,
    '--out',
    join(folder, name),
    '--json',
    ...settings.flatMap((setting) => ['--set', setting]),
  ]);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  expect(
    lines()
      .map(({ event }) => event)
      .filter((event) => !['progress', 'warning'].includes(event)),
  ).toEqual(expected);
  const evaluated = await cli(['eval', join(folder, name), '--json']);
  expect(evaluated.events()).toMatchObject([{ event: 'eval', mode: name === 'ANN alone' ? 'ann' : 'snn' }]);
});

test('a loss that is no longer finite stops the run and keeps the last good checkpoint', async () => {
  const out = join(folder, 'diverged');
  const settings = [
    'ann.optimizer.learningRate=100',
    'ann.optimizer.clipNorm=0',
    'ann.schedule.kind=constant',
    'ann.schedule.warmup=0',
  ];
  const { status, events: lines } = await cli([
    'train',
    config,
    '--out',
    out,
    '--json',
    ...settings.flatMap((setting) => ['--set', setting]),
  ]);
  expect(status).toBe(1);
  expect(lines().at(-1)).toMatchObject({
    event: 'error',
    code: 'ERR_STATE',
    message: expect.stringMatching(/phase ann, epoch \d+, step \d+ .*layers\.\d|gradient/),
  });
  expect(existsSync(join(out, 'checkpoints/last.safetensors'))).toBe(true);
});

test('a folder in use is refused', async () => {
  const used = join(folder, 'used');
  mkdirSync(used);
  let refusal: Awaited<ReturnType<typeof cli>> | undefined;
  let asked: Promise<void> | undefined;
  const first = await cliProcess(['train', config, '--out', used, '--set', 'ann.epochs=100000', '--json'], {
    during: (stdout, child) => {
      if (asked !== undefined || !stdout.includes('"epoch"')) return;
      asked = cli(['resume', used, '--json']).then((result) => {
        refusal = result;
        child.kill('SIGTERM');
      });
    },
  });
  expect(first.status).toBe(130);
  expect(refusal?.status).toBe(1);
  expect(refusal?.events()).toMatchObject([
    { event: 'error', code: 'ERR_STATE', message: expect.stringContaining('in use by process') },
  ]);
});
