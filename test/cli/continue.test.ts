// Runs that continue elsewhere or longer: moved data, more epochs, locks of machines that are gone.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockRun } from '../helpers/runs';
import { cli, cliProcess, temporaryFolder, tinyConfig, type CliResult } from '../helpers/command-line';

const folder = temporaryFolder();
const config = join(folder, 'pictures.json');
const pictures = join(folder, 'pictures');

/** A picture of one colour, in a format that needs no encoder. */
function picture(path: string, colour: readonly number[]): void {
  mkdirSync(join(path, '..'), { recursive: true });
  const pixels = Buffer.alloc(16 * 16 * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour[i % 3]! + ((i * 7) % 40);
  writeFileSync(path, Buffer.concat([Buffer.from('P6 16 16 255\n'), pixels]));
}

function infoOf(run: string): Record<string, any> {
  return JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as Record<string, any>;
}

function epochsOf(result: CliResult): string[] {
  return result.events().flatMap(({ event, phase, epoch }) => (event === 'epoch' ? [`${phase} ${epoch}`] : []));
}

/** A run with the settings of the configuration, which is trained once and then copied, or with other ones. */
async function trained(name: string, settings: string[] = []): Promise<string> {
  const run = join(folder, name);
  const template = join(folder, 'template');
  if (settings.length === 0 && name !== 'template') {
    if (!existsSync(template)) await trained('template');
    cpSync(template, run, { recursive: true });
    return run;
  }
  const result = await cli([
    'train',
    config,
    '--data',
    pictures,
    '--out',
    run,
    '--json',
    ...settings.flatMap((text) => ['--set', text]),
  ]);
  expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
  return run;
}

beforeAll(() => {
  for (const [name, colour] of [
    ['red', [200, 20, 20]],
    ['green', [20, 200, 20]],
    ['blue', [20, 20, 200]],
  ] as const)
    for (let i = 0; i < 10; i++)
      picture(
        join(pictures, name, `${i}.ppm`),
        colour.map((value) => value + i),
      );
  const { model, ann, snn } = tinyConfig;
  const layers = [{ type: 'conv', out: 4, stride: 2 }, { type: 'avgpool' }, { type: 'linear', out: 3, output: true }];
  writeFileSync(
    config,
    JSON.stringify({
      ...tinyConfig,
      model: { ...model, layers },
      dataset: { name: 'folder', size: 16 },
      ann: { ...ann, epochs: 1 },
      snn: { ...snn, epochs: 2 },
      convert: { images: 10 },
    }),
  );
});

describe('data that have moved', () => {
  test('eval, energy and resume take their new place; the run remembers it', async () => {
    const run = await trained('moved');
    const before = (await cli(['eval', run, '--json'])).events()[0]!;
    const elsewhere = join(folder, 'elsewhere');
    renameSync(pictures, elsewhere);
    try {
      for (const command of ['eval', 'energy']) {
        const lost = await cli([command, run]);
        expect(lost.status).toBe(1);
        expect(lost.stderr).toMatch(
          /no such file or folder \(ENOENT\); if the files have moved, name their folder with --data DIR \(ERR_IO\)\n$/,
        );
        expect((await cli([command, run, '--data', elsewhere])).status).toBe(0);
      }
      expect((await cli(['eval', run, '--data', elsewhere, '--json'])).events()[0]).toMatchObject({
        accuracy: before.accuracy,
        loss: before.loss,
      });
      const resumed = await cli(['resume', run, '--data', 'elsewhere', '--set', 'snn.epochs=3', '--json'], {
        cwd: folder,
      });
      expect({ status: resumed.status, epochs: epochsOf(resumed) }).toEqual({ status: 0, epochs: ['snn 3'] });
      expect(infoOf(run).config.dataset.directory).toBe(elsewhere);
      expect((await cli(['eval', run])).status).toBe(0);
    } finally {
      renameSync(elsewhere, pictures);
    }
  });

  test('a data set that is generated has no place', async () => {
    const run = join(folder, 'shapes');
    const shapes = { ...tinyConfig, ann: { ...tinyConfig.ann, epochs: 1 }, snn: { ...tinyConfig.snn, epochs: 1 } };
    writeFileSync(join(folder, 'shapes.json'), JSON.stringify(shapes));
    expect((await cli(['train', join(folder, 'shapes.json'), '--out', run])).status).toBe(0);
    const { status, stderr } = await cli(['eval', run, '--data', pictures]);
    expect(status).toBe(1);
    expect(stderr).toContain("Expected no folder for 'shapes', which needs no files");
  });

  test('a relative folder in a configuration file that lies beside the file: the hint names it', async () => {
    const beside = join(folder, 'conf');
    mkdirSync(join(beside, 'data'), { recursive: true });
    writeFileSync(join(beside, 'my.json'), JSON.stringify({ dataset: { name: 'folder', directory: 'data' } }));
    const { status, stderr } = await cli(['train', 'conf/my.json'], { cwd: folder });
    expect(status).toBe(2);
    expect(stderr).toContain("Expected dataset.directory 'data' of conf/my.json in the working folder");
    expect(stderr).toContain('--data conf/data names the folder beside the file');
  });
});

describe('more epochs', () => {
  let run: string;

  beforeAll(async () => {
    run = await trained('longer');
  });

  test('a finished run continues its last phase, and the record keeps its earlier results', async () => {
    const first = infoOf(run).results;
    const result = await cli([
      'resume',
      run,
      '--set',
      'snn.epochs=4',
      '--set',
      'snn.optimizer.learningRate=0.0005',
      '--json',
    ]);
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(epochsOf(result)).toEqual(['snn 3', 'snn 4']);
    const info = infoOf(run);
    expect(info.config.snn).toMatchObject({ epochs: 4, optimizer: { learningRate: 0.0005 } });
    expect(info.changes).toEqual([
      {
        time: expect.any(String),
        version: expect.any(String),
        at: { stage: 'finish', epoch: 0, step: 0 },
        set: { 'snn.epochs': { from: 2, to: 4 }, 'snn.optimizer.learningRate': { from: 0.001, to: 0.0005 } },
        results: first,
      },
    ]);
    expect(info.results.event).toBe('done');
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event, phase, epoch }) => (event === 'epoch' ? `${phase} ${epoch}` : event))).toEqual([
      'ann 1',
      'converted',
      'snn 1',
      'snn 2',
      'snn 3',
      'snn 4',
    ]);
    // Without a change it is a finished run as any other.
    expect(epochsOf(await cli(['resume', run, '--set', 'snn.epochs=4', '--json']))).toEqual([]);
  });

  test('interrupted meanwhile, it ends with the same parameters', async () => {
    const copies = ['straight', 'interrupted'].map((name) => join(folder, name));
    for (const copy of copies) cpSync(run, copy, { recursive: true });
    const more = ['--set', 'snn.epochs=8', '--set', 'checkpoint.seconds=0.000001', '--json'];
    expect((await cli(['resume', copies[0]!, ...more])).status).toBe(0);
    const stopped = await cliProcess(['resume', copies[1]!, ...more], {
      during: (stdout, child) => stdout.includes('"epoch":6') && !child.killed && child.kill('SIGTERM'),
    });
    expect(stopped.status).toBe(130);
    expect(infoOf(copies[1]!).results).toBeUndefined();
    expect((await cli(['eval', copies[1]!])).status).toBe(0);
    expect((await cli(['resume', copies[1]!, '--json'])).status).toBe(0);
    const [straight, interrupted] = copies.map((copy) => readFileSync(join(copy, 'model.safetensors')));
    expect(interrupted!.equals(straight!)).toBe(true);
  });

  test.each([
    ['model.timesteps=9', /'model\.timesteps'.*init=RUN/],
    ['seed=5', /'seed'/],
    ['snn.batch=4', /'snn\.batch'/],
    ['snn.optimizer.kind=sgd', /'snn\.optimizer\.kind'/],
    ['convert.scale=2', /'convert\.scale'/],
    ['model.layers.0.out=8', /'model\.layers\.0\.out'/],
    ['dataset.directory=x', /--data DIR/],
    ['threads=2', /--threads N/],
    ['ann.epochs=9', /'ann\.epochs' but received 9: the phase is over/],
    ['snn.epochs=1', /at least 4 for snn\.epochs, which the run has completed, but received 1/],
    ['snn.optimizer.momentum=0.5', /more than 4 for snn\.epochs/],
    ['snn.epochs=many', /snn\.epochs but received 'many'/],
    ['snn.epoch=9', /'snn\.epoch'/],
  ])('%s is refused by name, and nothing is touched', async (setting, message) => {
    const before = readFileSync(join(run, 'run.json'), 'utf8');
    const checkpoint = readFileSync(join(run, 'checkpoints/last.safetensors'));
    const { status, stderr } = await cli(['resume', run, '--set', setting]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(readFileSync(join(run, 'run.json'), 'utf8')).toBe(before);
    expect(readFileSync(join(run, 'checkpoints/last.safetensors')).equals(checkpoint)).toBe(true);
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });

  test('a run that is only an ANN, or only converted, continues where it ended', async () => {
    const ann = await trained('ann only', ['snn.epochs=0', 'convert.enabled=false']);
    expect(epochsOf(await cli(['resume', ann, '--set', 'ann.epochs=3', '--json']))).toEqual(['ann 2', 'ann 3']);
    const refused = await cli(['resume', ann, '--set', 'snn.epochs=3']);
    expect({ status: refused.status, stderr: refused.stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining("'snn.epochs'"),
    });
    const converted = await trained('converted only', ['snn.epochs=0']);
    expect(epochsOf(await cli(['resume', converted, '--set', 'snn.epochs=1', '--json']))).toEqual(['snn 1']);
    expect((await cli(['eval', converted, '--json'])).events()[0]).toMatchObject({ mode: 'snn' });
  });

  test('an interrupted run takes changes of what lies ahead', async () => {
    const early = join(folder, 'early');
    const stopped = await cliProcess(
      ['train', config, '--data', pictures, '--out', early, '--set', 'ann.epochs=100000', '--json'],
      {
        during: (stdout, child) => stdout.includes('"epoch":2') && !child.killed && child.kill('SIGTERM'),
      },
    );
    expect(stopped.status).toBe(130);
    const done = Number(/.*"epoch":(\d+)/s.exec(readFileSync(join(early, 'metrics.jsonl'), 'utf8'))?.[1]);
    const result = await cli(['resume', early, '--set', `ann.epochs=${done + 1}`, '--set', 'snn.epochs=1', '--json']);
    expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
    expect(epochsOf(result)).toEqual([`ann ${done + 1}`, 'snn 1']);
  });

  test('a new run starts from the folder of another', async () => {
    const result = await cli([
      'train',
      config,
      '--data',
      pictures,
      '--out',
      join(folder, 'from run'),
      '--set',
      `init=${run}`,
      '--set',
      'ann.epochs=0',
      '--set',
      'convert.enabled=false',
      '--json',
    ]);
    expect({ status: result.status, stderr: result.stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/^warning .*the network of init may have been trained on images.*\n$/),
    });
  });
});

describe('a lock from elsewhere', () => {
  test('is refused with the rule, and taken with --force', async () => {
    const run = await trained('locked');
    lockRun(run, { place: 'another', host: 'node17' });
    const refused = await cli(['resume', run, '--set', 'snn.epochs=3']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toMatch(
      /in use by process \d+ on node17.*after 120 s the lock is free.*`resume --force` takes it at once/,
    );
    expect((await cli(['resume', run, '--force', '--set', 'snn.epochs=3'])).status).toBe(0);
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });

  test('of a container that was recreated with another host name is free when its process is gone', async () => {
    const run = await trained('renamed');
    lockRun(run, { host: 'other', pid: 2 ** 22 - 1, started: '' });
    expect((await cli(['resume', run, '--set', 'snn.epochs=3'])).status).toBe(0);
  });
});

test('a training whose lock was taken away stops, and writes nothing more', async () => {
  const run = join(folder, 'taken');
  let before: Buffer | undefined;
  const result = await cliProcess(
    ['train', config, '--data', pictures, '--out', run, '--set', 'ann.epochs=100000', '--json'],
    {
      during: (stdout) => {
        if (before !== undefined || !stdout.includes('"epoch":2')) return;
        lockRun(run, { place: 'another', host: 'node17' });
        before = readFileSync(join(run, 'metrics.jsonl'));
      },
    },
  );
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/has taken it; this process stops without another write \(ERR_STATE\)\n$/);
  // A write that had begun when the lock was taken may still be completed.
  const after = readFileSync(join(run, 'metrics.jsonl'));
  expect(after.length - before!.length).toBeLessThan(1000);
  expect(readFileSync(join(run, 'run.lock'), 'utf8')).toContain('node17');
});

test('paths in hints are words of a shell', async () => {
  const run = await trained("it's a run");
  const { stdout } = await cli(['resume', run, '--set', 'snn.epochs=3'], { cwd: folder });
  expect(stdout).toContain(`onespike predict 'it'\\''s a run' IMAGE...`);
  rmSync(run, { recursive: true });
});
