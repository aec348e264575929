// `onespike bench`: its flags, what it reports, and what it refuses.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, cliProcess, temporaryFolder, tinyConfig, type CliResult } from '../helpers/command-line';

const folder = temporaryFolder();
const short = ['--batch', '2', '--iterations', '2', '--warmup', '0'];

/** Parameters of vgg6 with two hidden layers of 4096, weights, thresholds and leaks. */
const vgg6Bytes = 4 * (9 * (3 * 64 + 64 * 128 + 128 * 128) + 8192 * 4096 + 4096 * 4096 + 4096 * 10 + 2 * 6);

describe('a network with random weights', () => {
  let training: CliResult;
  let oneImage: CliResult;

  // Each builds fifty million weights, which takes seconds.
  beforeAll(async () => {
    const train = ['train', ...short, '--activity', '0.2', '--threads', '1', '--layers', '--json'];
    training = await cliProcess(['bench', 'vgg6', ...train]);
    oneImage = await cli([
      'bench',
      'vgg6',
      'infer',
      '--batch',
      '1',
      '--precision',
      'mixed',
      '--iterations',
      '2',
      '--layers',
    ]);
  }, 300_000);

  test('is reported as the reference reports it, with memory and versions', () => {
    expect(training.status).toBe(0);
    expect(training.stderr).toMatch(/building vgg6/);
    const [result, ...rest] = training.events();
    expect(rest).toEqual([]);
    expect(result).toMatchObject({
      event: 'bench',
      model: 'vgg6',
      mode: 'train',
      batch: 2,
      timesteps: 5,
      classes: 10,
      activity: 0.2,
      surrogate: 'triangle',
      device: null,
      precision: 'fp32',
      threads: 1,
      warmup: 0,
      iterations: 2,
      node: process.version,
      version: expect.any(String),
      simd: expect.any(String),
      cpu: expect.any(String),
      parameterBytes: vgg6Bytes,
      gradientBytes: vgg6Bytes,
      optimizerBytes: vgg6Bytes,
    });
    expect(result!.best).toBeGreaterThanOrEqual(result!.imagesPerSecond);
    expect(result!.imagesPerSecond).toBeCloseTo(2000 / result!.milliseconds, 6);
    expect(result!.millisecondsPerImage).toBeCloseTo(result!.milliseconds / 2, 9);
    expect(result!.spikesPerNeuron).toHaveLength(5);
    for (const share of result!.spikesPerNeuron) expect(Math.abs(share - 0.2)).toBeLessThan(0.005);
    expect(Math.abs(result!.meanSpikesPerNeuron - 0.2)).toBeLessThan(0.005);
    expect(result!.workingSet).toBe(result!.peakRss - 3 * vgg6Bytes);
    expect(result!.workingSet).toBeGreaterThan(0);
    // Setting thresholds must leave the peak to the timed steps.
    expect(result!.setupPeakRss).toBeLessThan(result!.peakRss);
    expect(result!.runtimeRss).toBeLessThan(result!.setupPeakRss);
  });

  test('infers without gradients, at another activity, number of classes and time steps', async () => {
    const { events } = await cli([
      'bench',
      '--model',
      'vgg6',
      '--mode',
      'infer',
      ...short,
      '--activity',
      '0.06',
      '--classes',
      '7',
      '--timesteps',
      '8',
      '--backend',
      'auto',
      '--device',
      '1023',
      '--json',
    ]);
    expect(events()).toEqual([
      expect.objectContaining({
        // A GPU that is not there is none.
        backend: 'cpu',
        device: null,
        precision: 'fp32',
        processor: expect.any(String),
        mode: 'infer',
        timesteps: 8,
        classes: 7,
        activity: 0.06,
        gradientBytes: 0,
        optimizerBytes: 0,
      }),
    ]);
    for (const share of events()[0]!.spikesPerNeuron) expect(Math.abs(share - 0.06)).toBeLessThan(0.002);
  });

  test.each(['ann-train', 'ann-infer'])('%s has no spikes', async (mode) => {
    const { events } = await cli(['bench', 'vgg6', mode, ...short, '--json']);
    expect(events()).toEqual([expect.objectContaining({ mode, spikesPerNeuron: [], meanSpikesPerNeuron: null })]);
  });

  test('--norm batch normalises hidden layers', async () => {
    const { events } = await cli(['bench', 'vgg6', 'ann-train', ...short, '--norm', 'batch', '--layers', '--json']);
    const [event] = events() as { norm: string; layers: { operation: string }[] }[];
    expect(event!.norm).toBe('batch');
    expect(event!.layers.map(({ operation }) => operation)).toContain('norm_backward');
    const wrong = await cli(['bench', 'vgg6', '--norm', 'layer']);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining("'none', 'batch' for --norm") });
  });

  test('one image is a matter of milliseconds, and mixed precision is named', () => {
    const { status, stdout } = oneImage;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^vgg6 infer, batch 1, T = 5, mixed, activity 0\.12, random weights$/m);
    expect(stdout).toMatch(/images\/s {2}[\d.]+ ms per image \(median of 2\)/);
    expect(stdout).toMatch(/^memory {2}peak \d+ MB, of which parameters 202 MB, working set \d+ MB$/m);
    expect(stdout).toMatch(/^spikes\/neuron 0\.1\d+; by layer: 0\.1/m);
  });

  test('--surrogate is timed, and the kernel that it makes worth while is named', async () => {
    const { events } = await cli([
      'bench',
      'vgg6',
      'train',
      ...short,
      '--surrogate',
      'arctan',
      '--timesteps',
      '1',
      '--backend',
      'cpu',
      '--layers',
      '--json',
    ]);
    const [result] = events();
    expect(result).toMatchObject({ surrogate: 'arctan', timesteps: 1 });
    const rows = (result!.layers as Record<string, any>[]).filter((row) => row.operation === 'spiking_backward');
    // From the last layer to the first: three linear ones, convolutions, all of whose neurons carry gradient, and one
    // that reads the image.
    expect(rows.map((row) => row.kernel)).toEqual(['events', 'events', 'events', 'dense', 'dense', '']);
    for (const row of rows.slice(3, 5)) expect(row.density).toBeGreaterThan(0.9);
  });

  test('--layers lists the operations of every layer', () => {
    const [result] = training.events();
    const rows = result!.layers as Record<string, any>[];
    const layers = new Set(rows.map(({ layer }) => layer));
    for (const layer of ['layers.0', 'layers.2', 'layers.3', 'layers.5', 'layers.6', 'layers.7'])
      expect(layers).toContain(layer);
    for (const row of rows) {
      expect(row).toMatchObject({ operation: expect.any(String), kernel: expect.any(String) });
      expect(row.density).toBeGreaterThanOrEqual(0);
      expect(row.density).toBeLessThanOrEqual(1);
      expect(row.milliseconds).toBeGreaterThanOrEqual(0);
      expect(row.calls).toBeGreaterThan(0);
    }
    // Per step, of the timed steps alone.
    const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    expect(total).toBeLessThan(2 * result!.milliseconds);
    expect(oneImage.stdout).toMatch(/^layer +operation +kernel +density +ms\/step +share +calls\/step$/m);
  });
});

describe('a trained network', () => {
  const config = join(folder, 'tiny.json');
  const run = join(folder, 'run');
  const annRun = join(folder, 'ann');
  beforeAll(async () => {
    writeFileSync(config, JSON.stringify(tinyConfig));
    expect((await cli(['train', config, '--out', run, '--json'])).status).toBe(0);
    expect(
      (
        await cli([
          'train',
          config,
          '--out',
          annRun,
          '--set',
          'convert.enabled=false',
          '--set',
          'snn.epochs=0',
          '--json',
        ])
      ).status,
    ).toBe(0);
  });

  test.each([
    ['train', 'train'],
    ['infer', 'test'],
    ['ann-train', 'train'],
    ['ann-infer', 'test'],
  ])('%s runs on its %s images with its thresholds', async (mode, images) => {
    const { status, events } = await cli(['bench', '--run', run, '--mode', mode, '--batch', '30', '--json']);
    expect(status).toBe(0);
    expect(events()).toEqual([
      expect.objectContaining({
        event: 'bench',
        model: 'tiny',
        mode,
        run,
        images,
        batch: 30,
        timesteps: 4,
        classes: 10,
      }),
    ]);
    expect(events()[0]).not.toHaveProperty('activity');
  });

  test('its activity is that of the run', async () => {
    const evaluated = await cli(['eval', run, '--json']);
    const { events } = await cli(['bench', '--run', run, 'infer', '--batch', '50', '--iterations', '1', '--json']);
    expect(events()[0]!.meanSpikesPerNeuron).toBeCloseTo(evaluated.events()[0]!.spikesPerNeuron, 3);
  });

  test('what is said about it may be true, and the images may be chosen', async () => {
    const { status, events } = await cli([
      'bench',
      '--run',
      run,
      '--timesteps',
      '4',
      '--classes',
      '10',
      '--images',
      'test',
      '--batch',
      '2',
      '--json',
    ]);
    expect(status).toBe(0);
    expect(events()[0]).toMatchObject({ mode: 'train', images: 'test' });
  });

  test.each([
    [['--timesteps', '5'], /no --timesteps, or that of the run .* \(4\), but received 5/],
    [['--classes', '9'], /--classes.*\(10\).*9/],
    [['vgg6'], /--model.*\(tiny\).*vgg6/],
    [['--surrogate', 'arctan'], /--surrogate.*\(triangle\).*arctan/],
    [['--activity', '0.1'], /no --activity/],
    [['--images', 'validation'], /'train', 'test'/],
  ])('%j is wrong usage', async (args, message) => {
    const { status, stdout, stderr } = await cli(['bench', ...args, '--run', run]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  test('one that does not spike yet can only be timed as an ANN', async () => {
    const { status, events } = await cli(['bench', '--run', annRun, '--json']);
    expect(status).toBe(1);
    expect(events()).toEqual([
      expect.objectContaining({ event: 'error', code: 'ERR_STATE', message: expect.stringContaining('ann-train') }),
    ]);
    expect((await cli(['bench', '--run', annRun, 'ann-infer', '--batch', '4'])).status).toBe(0);
  });

  test('one that is not there is a failure', async () => {
    expect((await cli(['bench', '--run', join(folder, 'absent'), '--json'])).events()).toEqual([
      expect.objectContaining({ code: 'ERR_IO' }),
    ]);
  });
});

test.each([
  [['resnet'], /one of 'vgg6', .* for --model but received 'resnet'/],
  [['vgg6', 'test'], /'train', 'infer', .* for --mode but received 'test'/],
  [['vgg6', '--model', 'vgg9'], /one model but received 'vgg6' and --model 'vgg9'/],
  [['vgg6', 'infer', '--mode', 'train'], /one mode but received 'infer' and --mode 'train'/],
  [['vgg6', 'infer', 'now'], /too many arguments/],
  [['--precision', 'fp16'], /'fp32', 'mixed'/],
  [['--surrogate', 'sine'], /'triangle', .* for --surrogate but received 'sine'/],
  [['--backend', 'gpu'], /--backend.*'gpu'/],
  [['--batch', '0'], /integer of at least 1 for --batch but received '0'/],
  [['--batch', '1.5'], /integer of at least 1/],
  [['--timesteps', '255'], /from 1 to 254 for --timesteps but received '255'/],
  [['--classes', '0'], /from 1 to 65535/],
  [['--threads', '0'], /from 1 to 1024/],
  [['--iterations', '0'], /at least 1/],
  [['--warmup', '-1'], /at least 0/],
  [['--activity', '0'], /above 0, at most 1/],
  [['--activity', '1.1'], /above 0, at most 1/],
  [['--images', 'test'], /--run/],
  [['--interations', '3'], /unknown option '--interations'/],
])('%j is wrong usage', async (args, message) => {
  const { status, stdout, stderr } = await cli(['bench', ...args]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr.split('\n')[0]).toMatch(message);
});

test('an interrupt ends it with 130', async () => {
  const { status, stdout } = await cliProcess(['bench', 'vgg6', 'train', '--iterations', '1000', '--json'], {
    started: (child) => child.stderr!.once('data', () => setTimeout(() => child.kill('SIGINT'), 1500)),
  });
  expect(status).toBe(130);
  expect(stdout).toMatch(/^\{"event":"error","code":"ERR_ABORTED"/);
});

test('a batch that fits no memory is a failure, not a crash', async () => {
  const { status, events } = await cli(['bench', 'vgg6', 'infer', '--batch', '10000000000', '--json']);
  expect(status).toBe(1);
  expect(events()).toEqual([expect.objectContaining({ event: 'error', code: 'ERR_OOM' })]);
});
