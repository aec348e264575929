// One process per run, whatever happened to its owner: killed, on another machine, in another container, a terminated
// worker.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { RunLock } from '../../lib/train/run/lock';
import { thisOwner } from '../../lib/train/run/owner';
import { temporaryFolder } from '../helpers/command-line';
import { until } from '../helpers/until';

const folder = temporaryFolder();
const path = join(folder, 'run.lock');
const refused = (text: string) => ({ code: 'ERR_STATE', message: expect.stringContaining(text) });

/** A lock as another process would have left it, `age` seconds after its last sign of life. */
function leave(owner: object | string, age = 0): void {
  writeFileSync(path, typeof owner === 'string' ? owner : JSON.stringify(owner));
  const time = Date.now() / 1000 - age;
  utimesSync(path, time, time);
}

/** Takes the lock and gives it back: it was free. */
async function expectFree(options = {}): Promise<void> {
  const lock = await RunLock.take(folder, options);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
  await lock.release();
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
}

afterEach(() => rmSync(path, { force: true, recursive: true }));

test('a second owner in this process is refused until the first lets go, even with force', async () => {
  const lock = await RunLock.take(folder);
  for (const force of [false, true])
    await expect(RunLock.take(folder, { force })).rejects.toMatchObject(
      refused(`in use by this process (${process.pid})`),
    );
  await lock.release();
  await expectFree();
});

test('a living process on this machine keeps its lock, even against force', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
  try {
    leave({ ...thisOwner('x'), pid: child.pid, started: '' }, 10_000);
    await expect(RunLock.take(folder, { force: true })).rejects.toMatchObject(
      refused(`in use by process ${child.pid};`),
    );
  } finally {
    child.kill('SIGKILL');
  }
});

test('a dead process is no obstacle, whatever the machine was called', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.on('close', resolve));
  leave({ ...thisOwner('old'), pid: child.pid, started: '' });
  await expectFree();
  leave({ ...thisOwner('old'), pid: child.pid, started: '', host: 'renamed' });
  await expectFree();
});

test('locks of older versions, which name no place, go by the host', async () => {
  leave({ pid: process.pid, host: hostname(), started: '1', token: 'old' });
  await expectFree();
  leave({ pid: 1, host: 'elsewhere.invalid', started: '', token: 'old' });
  await expect(RunLock.take(folder)).rejects.toMatchObject(refused('elsewhere.invalid'));
});

test('the process id of the dead may have gone to another process', async () => {
  leave({ ...thisOwner('old'), started: '1' });
  await expectFree();
});

test('a zombie has ended', async () => {
  // The child ends only when the shell, which would collect it, has become a program that does not.
  const child = '(until grep -q sleep /proc/$$/comm; do :; done)';
  const parent = spawn('sh', ['-c', `${child} & echo $!; exec sleep 30`], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (text) => resolve(Number(text))));
    await until(() => /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')), performance.now() + 2000);
    leave({ ...thisOwner('old'), pid, started: '' });
    await expectFree();
  } finally {
    parent.kill('SIGKILL');
  }
});

describe('of another machine or container', () => {
  const other = { ...thisOwner('other'), place: 'elsewhere', host: 'node17' };

  test('is refused with the rule while it may live', async () => {
    leave(other, 30);
    await expect(RunLock.take(folder)).rejects.toMatchObject(refused(`in use by process ${process.pid} on node17`));
    await expect(RunLock.take(folder)).rejects.toMatchObject(
      refused('after 120 s the lock is free; if the process is gone, `resume --force`'),
    );
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(other);
    expect(readdirSync(folder)).toEqual(['run.lock']);
  });

  test('is free when it has given no sign of life for long', async () => {
    leave(other, 130);
    await expectFree();
  });

  test('yields to force', async () => {
    leave(other);
    await expectFree({ force: true });
  });
});

test.each(['', 'null', '[]', '{}', '{"pid":', '{"pid":-1}', '{"pid":1,"host":7}', '\0\0\0'])(
  'a lock that holds %j counts by its age',
  async (text) => {
    leave(text);
    await expect(RunLock.take(folder)).rejects.toMatchObject(refused('a lock that names no process'));
    leave(text, 130);
    await expectFree();
    leave(text);
    await expectFree({ force: true });
  },
);

test('a folder or a dangling link in place of the lock is an error, not an endless wait', async () => {
  mkdirSync(path);
  await expect(RunLock.take(folder)).rejects.toMatchObject({ code: 'ERR_IO' });
});

test('of many that want an abandoned lock, one gets it', async () => {
  leave({ ...thisOwner('old'), started: '1' });
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => RunLock.take(folder)));
  const locks = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  expect(locks).toHaveLength(1);
  await locks[0]!.assertHeld();
  await locks[0]!.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('who found an abandoned lock does not remove the one that another process has taken meanwhile', async () => {
  leave({ ...thisOwner('old'), started: '1' });
  writeFileSync(`${path}.guard`, 'of a process that is about to remove the abandoned lock');
  const late = expect(RunLock.take(folder)).rejects.toMatchObject(refused(`in use by process ${process.ppid};`));
  await delay(100); // it has read the abandoned lock, and waits
  leave({ ...thisOwner('new'), pid: process.ppid, started: '' });
  const taken = readFileSync(path, 'utf8');
  rmSync(`${path}.guard`);
  await late;
  expect(readFileSync(path, 'utf8')).toBe(taken);
  rmSync(path);
  expect(readdirSync(folder)).toEqual([]);
});

test('the guard file of a process that was killed while it removed a lock is an obstacle for ten seconds only', async () => {
  leave({ ...thisOwner('old'), started: '1' });
  const guard = `${path}.guard`;
  writeFileSync(guard, 'killed');
  utimesSync(guard, new Date(Date.now() - 11_000), new Date(Date.now() - 11_000));
  const lock = await RunLock.take(folder);
  await lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('an owner whose lock was taken away learns of it, and does not remove that of the other', async () => {
  const lock = await RunLock.take(folder);
  await lock.assertHeld();
  rmSync(path);
  await lock.assertHeld(); // was removed by hand: there again
  expect(existsSync(path)).toBe(true);
  rmSync(path);
  leave({ ...thisOwner('new'), host: 'node18' });
  await expect(lock.assertHeld()).rejects.toMatchObject(refused('on node18 has taken it'));
  await lock.release();
  expect(existsSync(path)).toBe(true);
});

test('an owner gives signs of life', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  const lock = await RunLock.take(folder);
  try {
    leave(readFileSync(path, 'utf8'), 1000);
    jest.advanceTimersByTime(10_000);
    for (let i = 0; i < 1000 && Date.now() / 1000 - statSync(path).mtimeMs / 1000 > 500; i++)
      await new Promise((resolve) => setImmediate(resolve));
    expect(Math.abs(performance.timeOrigin + performance.now() - statSync(path).mtimeMs)).toBeLessThan(60_000);
  } finally {
    jest.useRealTimers();
    await lock.release();
  }
});

test('the lock of a worker that was terminated is free', async () => {
  const program = `
    const { RunLock } = require(${JSON.stringify(join(__dirname, '../../dist/lib/train/run/lock.js'))});
    const { parentPort } = require('node:worker_threads');
    RunLock.take(${JSON.stringify(folder)}).then((lock) => { globalThis.lock = lock; parentPort.postMessage('held'); });
    setInterval(() => undefined, 1000);`;
  const worker = new Worker(program, { eval: true });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await expect(RunLock.take(folder)).rejects.toMatchObject(refused('in use by this process'));
  await worker.terminate();
  await expectFree();
});
