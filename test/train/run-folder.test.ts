import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { defaultOut, RunFolder } from '../../lib/train/run/run-folder';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();

async function created(path: string, options = {}): Promise<RunFolder> {
  const run = new RunFolder(path);
  await run.create(options);
  return run;
}

describe('RunFolder', () => {
  test('an existing folder with anything in it is refused', async () => {
    const path = join(folder, 'held');
    mkdirSync(path);
    await (await created(path)).unlock();
    writeFileSync(join(path, 'run.json'), '{}');
    for (const attempt of [() => new RunFolder(path).checkFree(), () => created(path)])
      await expect(attempt()).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining('resume') });
    expect(readdirSync(path)).toEqual(['run.json']);
  });

  test('a start that fails removes the folders that it created, and no others', async () => {
    const mine = join(folder, 'mine');
    mkdirSync(mine);
    const run = await created(join(mine, 'runs', 'today', 'run'));
    expect(readdirSync(run.path)).toEqual(['run.lock']);
    await run.abandon();
    expect(readdirSync(mine)).toEqual([]);
    await (await created(mine)).abandon();
    expect(existsSync(mine)).toBe(true);
  });

  test('runs that are started in the same second get folders of their own', async () => {
    const wanted = join(folder, 'same', 'second');
    const runs = await Promise.all(Array.from({ length: 5 }, () => created(wanted, { another: true })));
    expect(runs.map(({ path }) => path).sort()).toEqual([wanted, ...[2, 3, 4, 5].map((n) => `${wanted}-${n}`)]);
    for (const run of runs) await run.abandon();
    expect(runs.filter(({ path }) => existsSync(path))).toEqual([]);
  });

  test('a file in place of a run is named as such, with the run that it belongs to', async () => {
    const path = join(folder, 'a run');
    mkdirSync(join(path, 'checkpoints'), { recursive: true });
    for (const name of ['run.json', 'model.safetensors', 'checkpoints/last.safetensors'])
      writeFileSync(join(path, name), '');
    for (const name of ['model.safetensors', 'checkpoints/last.safetensors'])
      await expect(new RunFolder(join(path, name)).readInfo()).rejects.toMatchObject({
        code: 'ERR_IO',
        message: `Expected the folder of a run but ${join(path, name)} is a file of the run ${path}`,
      });
  });

  test('a folder that cannot be made is ERR_IO', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(created(join(folder, 'file', 'run'))).rejects.toMatchObject({ code: 'ERR_IO' });
  });

  test('run.json: absent is ERR_IO, other content ERR_FORMAT', async () => {
    const run = new RunFolder(join(folder, 'info'));
    await expect(run.readInfo()).rejects.toMatchObject({ code: 'ERR_IO' });
    mkdirSync(run.path);
    for (const content of ['', 'null', '[1]', '{"format":2}', '{"format":1}']) {
      writeFileSync(run.infoPath, content);
      await expect(run.readInfo()).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
  });

  test('metrics are cut back to a position, and a torn line is left out', async () => {
    const run = new RunFolder(join(folder, 'metrics'));
    mkdirSync(run.path);
    const first = await run.appendMetric(0, { epoch: 1 });
    const second = await run.appendMetric(first, { epoch: 2 });
    appendFileSync(run.metricsPath, '{"epo');
    expect(await run.readMetrics()).toEqual([{ epoch: 1 }, { epoch: 2 }]);
    await run.cutMetrics(second);
    await run.appendMetric(first, { epoch: 'again' });
    expect(readFileSync(run.metricsPath, 'utf8')).toBe('{"epoch":1}\n{"epoch":"again"}\n');
    await expect(run.cutMetrics(1000)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(run.appendMetric(1000, {})).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    expect(readFileSync(run.metricsPath, 'utf8')).toBe('{"epoch":1}\n{"epoch":"again"}\n');
  });

  test('metrics that were removed begin anew, without a gap', async () => {
    const run = new RunFolder(join(folder, 'removed'));
    mkdirSync(run.path);
    expect(await run.cutMetrics(100)).toBe(0);
    expect(await run.appendMetric(100, { epoch: 3 })).toBe(12);
    expect(readFileSync(run.metricsPath, 'utf8')).toBe('{"epoch":3}\n');
    truncateSync(run.metricsPath, 0);
    expect(await run.cutMetrics(12)).toBe(0);
    rmSync(run.metricsPath);
    expect(await run.appendMetric(12, { epoch: 4 })).toBe(12);
  });

  test('the default folder is named by network, day and time', () => {
    expect(defaultOut('vgg6-shapes', new Date(2026, 0, 2, 3, 4, 5))).toBe(join('runs', 'vgg6-shapes-20260102-030405'));
  });
});
