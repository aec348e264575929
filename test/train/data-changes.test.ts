// A run whose images have changed: what every command that uses them says.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainConfigInput } from '../../lib/train/config/config';
import { loadRun } from '../../lib/train/run/load-run';
import type { RunInfo } from '../../lib/train/run/run-folder';
import { resume, train } from '../../lib/train/loop/train';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';
import { collect } from '../helpers/runs';
import { netpbm } from '../data/support/helpers';

const folder = temporaryFolder();
const original = join(folder, 'original');

function writePicture(path: string, value: number): void {
  writeFileSync(path, netpbm(8, 8, new Uint8Array(192).fill(value)));
}

beforeAll(() => {
  for (const [label, name] of ['cat', 'dog', 'owl'].entries()) {
    mkdirSync(join(original, name), { recursive: true });
    for (let i = 0; i < 12; i++) writePicture(join(original, name, `${i}.ppm`), 80 * label + i);
  }
});

/** Trains on the pictures in `data`; `stopped`: it is interrupted after a few steps. */
async function trainOn(data: string, out: string, stopped: boolean): Promise<void> {
  const layers = structuredClone(tinyConfig.model.layers).map((layer) =>
    'output' in layer ? { ...layer, out: 3 } : layer,
  );
  const config = {
    ...structuredClone(tinyConfig),
    model: { ...tinyConfig.model, layers },
    dataset: { name: 'folder', directory: data },
    out,
  } as unknown as TrainConfigInput;
  for await (const event of train(config, { progressSeconds: 0 }))
    if (stopped && event.event === 'progress' && event.step === 2) break;
}

/**
 * A copy of a run, and of the pictures on which it was trained; `change` happens to them afterwards. Both runs are
 * trained once, and then moved by the path of the pictures in run.json.
 */
async function runOn(name: string, change: (data: string) => void, stopped = false): Promise<string> {
  const template = join(folder, stopped ? 'stopped' : 'finished');
  if (!existsSync(template)) await trainOn(original, template, stopped);
  const [run, data] = [join(folder, name), join(folder, `${name}-data`)];
  cpSync(original, data, { recursive: true });
  cpSync(template, run, { recursive: true });
  const info = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as RunInfo;
  info.config.out = run;
  expect(info.config.dataset.directory).toBe(original);
  info.config.dataset.directory = data;
  writeFileSync(join(run, 'run.json'), JSON.stringify(info));
  change(data);
  return run;
}

const renamed = (data: string): void => renameSync(join(data, 'cat'), join(data, 'zebra'));
const removed = (data: string): void => rmSync(join(data, 'cat'), { recursive: true });
const added = (data: string): void => cpSync(join(data, 'cat'), join(data, 'ant'), { recursive: true });
const five = (data: string): void => {
  for (let i = 20; i < 25; i++) writePicture(join(data, 'dog', `${i}.ppm`), i);
};
const edited = (data: string): void => {
  for (let i = 0; i < 12; i++) writePicture(join(data, 'dog', `${i}.ppm`), 200);
};

describe('other classes are refused by eval, energy and resume', () => {
  test.each([
    ['renamed', renamed, 'without cat and with zebra'],
    ['removed', removed, 'without cat'],
    ['added', added, 'with ant'],
  ])('%s', async (kind, change, message) => {
    const run = await runOn(kind, change);
    const refusal = {
      code: 'ERR_STATE',
      message: expect.stringContaining(
        `classes of the run (cat, dog, owl) in the data set folder but received them ${message}`,
      ),
    };
    await expect((await loadRun(run)).dataset()).rejects.toMatchObject(refusal);
    for (const command of ['eval', 'energy']) {
      const { status, events: lines } = await cli([command, run, '--json']);
      expect({ status, lines: lines() }).toMatchObject({ status: 1, lines: [{ event: 'error', ...refusal }] });
    }
    const stopped = await runOn(`${kind}-stopped`, change, true);
    await expect(collect(resume(stopped, { acceptChangedData: true }))).rejects.toMatchObject(refusal);
  });

  test('a model file of other classes is refused by predict and every other use of the network', async () => {
    const run = await runOn('foreign', () => undefined);
    const info = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as { dataset: { classes: string[] } };
    info.dataset.classes.reverse();
    writeFileSync(join(run, 'run.json'), JSON.stringify(info));
    await expect((await loadRun(run)).network()).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringMatching(/owl, dog, cat.*model\.safetensors .* in another order/),
    });
    expect((await cli(['predict', run, join(original, 'cat', '1.ppm')])).stderr).toMatch(/ERR_STATE/);
  });
});

describe('other images of the same classes', () => {
  test.each([
    ['more of them', five, /test images of folder are not those of the run \(\d+ then, \d+ now\)/],
    ['as many, with other contents', edited, /test images .*\(\d+, with other contents\)/],
  ])('%s: eval, energy and bench warn', async (kind, change, message) => {
    const run = await runOn(`warned ${kind}`, change);
    const { warnings } = await (await loadRun(run)).dataset();
    expect(warnings.map(({ code }) => code)).toEqual(['DATA_CHANGED', 'DATA_CHANGED']);
    for (const args of [
      ['eval', run],
      ['energy', run],
      ['bench', '--run', run, '--batch', '2', '--iterations', '1'],
    ]) {
      const { status, events: lines, stderr } = await cli([...args, '--json']);
      expect(status).toBe(0);
      expect(lines().map(({ event }) => event)).toEqual(['warning', 'warning', args[0]]);
      expect(lines()[1]).toMatchObject({ code: 'DATA_CHANGED', message: expect.stringMatching(message) });
      expect(stderr).toMatch(message);
    }
  });

  test('resume refuses, or continues with a warning if that is accepted', async () => {
    const run = await runOn('grown', five, true);
    await expect(collect(resume(run))).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringMatching(/training images .* bit-identical.*--accept-changed-data/),
    });
    const all = await collect(resume(run, { acceptChangedData: true }));
    expect(all[0]).toMatchObject({ event: 'start' });
    expect(all[1]).toMatchObject({ event: 'warning', code: 'DATA_CHANGED' });
    expect(all.at(-1)).toMatchObject({ event: 'done' });
  });

  test('without a change there is no word, and a run of an earlier version is judged by its counts', async () => {
    const run = await runOn('same', () => undefined, true);
    const info = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as { dataset: { hash?: object } };
    const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/) as unknown as string;
    expect(info.dataset).toMatchObject({ hash: { train: sha256, test: sha256 } });
    delete info.dataset.hash;
    writeFileSync(join(run, 'run.json'), JSON.stringify(info));
    const all = await collect(resume(run));
    expect(all.filter((event) => event.event === 'warning' && !('layer' in event))).toEqual([]);
    five(join(folder, 'same-data'));
    expect((await (await loadRun(run)).dataset()).warnings).toHaveLength(2);
  });
});

test('a run that continues with another instruction set says so, and keeps both hosts', async () => {
  const run = await runOn('moved', () => undefined, true);
  const path = join(run, 'run.json');
  const info = JSON.parse(readFileSync(path, 'utf8')) as { host: { simd: string } };
  const { simd } = info.host;
  info.host.simd = 'ELSEWHERE';
  writeFileSync(path, JSON.stringify(info));
  const all = await collect(resume(run));
  expect(all[1]).toMatchObject({
    event: 'warning',
    code: 'OTHER_INSTRUCTION_SET',
    message: expect.stringContaining(`with ELSEWHERE and continues on one with ${simd}`),
  });
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    host: { simd },
    earlierHosts: [{ simd: 'ELSEWHERE' }],
  });
});

test('a run that comes from a GPU to another processor is warned of the backend, and keeps both hosts', async () => {
  const run = await runOn('returned', () => undefined, true);
  const path = join(run, 'run.json');
  const info = JSON.parse(readFileSync(path, 'utf8')) as { backend: string; host: { simd: string } };
  const { simd } = info.host;
  info.backend = 'cuda';
  info.host.simd = 'ELSEWHERE';
  writeFileSync(path, JSON.stringify(info));
  const all = await collect(resume(run, { backend: 'cpu' }));
  const warnings = all.flatMap((event) => (event.event === 'warning' && !('layer' in event) ? [event.code] : []));
  expect(warnings).toEqual(['OTHER_BACKEND']);
  // The next one on this processor has nothing to warn of.
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    backend: 'cpu',
    earlierBackends: ['cuda'],
    host: { simd },
    earlierHosts: [{ simd: 'ELSEWHERE' }],
  });
});

describe('training where its own runs would lie among the classes', () => {
  const start = async (name: string, args: string[]): ReturnType<typeof cli> => {
    const data = join(folder, name);
    cpSync(original, data, { recursive: true });
    const config = join(folder, `${name}.json`);
    writeFileSync(
      config,
      JSON.stringify({ ann: { epochs: 1 }, snn: { epochs: 1 }, backend: 'cpu', energy: { images: 4 } }),
    );
    return cli(['train', config, '--json', ...args], { cwd: data });
  };
  const run = (events: Record<string, any>[]): string => events[0]!.run as string;

  test('--data . again and again, with the default out, with one inside, and a run in a class', async () => {
    const small = ['--set', 'model.width=0.1', '--set', 'model.hidden=[8]', '--set', 'dataset.size=16'];
    const first = await start('inside', ['--dataset', 'folder', '--data', '.', ...small]);
    expect({ status: first.status, stderr: first.status === 0 ? '' : first.stderr }).toEqual({ status: 0, stderr: '' });
    for (const args of [[], ['--out', 'mine'], ['--out', 'results/mine'], ['--out', 'cat/mine'], []]) {
      const again = await start('inside', ['--data', '.', ...small, ...args]);
      expect(again.status).toBe(0);
      expect(again.events()[0]).toMatchObject({ dataset: 'folder', images: first.events()[0]!.images });
      const { status, events: lines } = await cli(['eval', run(again.events()), '--json']);
      expect({ status, changed: lines().some(({ code }) => code === 'DATA_CHANGED') }).toEqual({
        status: 0,
        changed: false,
      });
    }
  });

  test('a start that fails leaves nothing behind', async () => {
    const failed = await start('untouched', ['--data', 'absent']);
    expect(failed.status).toBe(1);
    expect(failed.events()).toMatchObject([{ event: 'error', code: 'ERR_IO' }]);
    expect(() => readFileSync(join(folder, 'untouched', 'runs'))).toThrow('ENOENT');
  });
});
