import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync, appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { lockRun } from '../../lib/train/run/lock';
import { defaultOut, RunFolder } from '../../lib/train/run/run-folder';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();

describe('lock', () => {
  test('a second owner is refused until the first lets go', async () => {
    const release = await lockRun(folder);
    await expect(lockRun(folder)).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining(String(process.pid)),
    });
    await release();
    await release();
    await (await lockRun(folder))();
    expect(existsSync(join(folder, 'run.lock'))).toBe(false);
  });

  test('a dead process leaves no obstacle', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.on('close', resolve));
    writeFileSync(
      join(folder, 'run.lock'),
      JSON.stringify({ pid: child.pid, host: hostname(), started: '', token: 'old' }),
    );
    await (await lockRun(folder))();
  });

  test('the process id of the dead may have gone to another process', async () => {
    writeFileSync(
      join(folder, 'run.lock'),
      JSON.stringify({ pid: process.pid, host: hostname(), started: '1', token: 'old' }),
    );
    await (await lockRun(folder))();
  });

  test('another machine cannot be asked, so its lock stands', async () => {
    const path = join(folder, 'run.lock');
    writeFileSync(path, JSON.stringify({ pid: 1, host: 'elsewhere.invalid', started: '', token: 'old' }));
    await expect(lockRun(folder)).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('elsewhere.invalid'),
    });
  });
});

describe('RunFolder', () => {
  test('an existing folder with anything in it is refused', async () => {
    const path = join(folder, 'held');
    mkdirSync(path);
    await new RunFolder(path).create();
    writeFileSync(join(path, 'run.json'), '{}');
    await expect(new RunFolder(path).create()).rejects.toMatchObject({
      code: 'ERR_STATE',
      message: expect.stringContaining('resume'),
    });
  });

  test('a folder that cannot be made is ERR_IO', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(new RunFolder(join(folder, 'file', 'run')).create()).rejects.toMatchObject({ code: 'ERR_IO' });
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
    await run.truncateMetrics(second);
    await run.appendMetric(first, { epoch: 'again' });
    expect(readFileSync(run.metricsPath, 'utf8')).toBe('{"epoch":1}\n{"epoch":"again"}\n');
    await expect(run.truncateMetrics(1000)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  test('the default folder is named by network, day and time', () => {
    expect(defaultOut('vgg6-shapes', new Date(2026, 0, 2, 3, 4, 5))).toBe(join('runs', 'vgg6-shapes-20260102-030405'));
  });
});
