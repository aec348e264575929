// The command line: a sweep whose processes are all killed, several times, ends as one that was left in peace.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, cliProcess, main, temporaryFolder } from '../helpers/command-line';
import { modelBytes } from '../helpers/runs';
import { until } from '../helpers/until';
import { tinyTrials } from './helpers';

const folder = temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
// Twelve trials of a second or two, twice, on a machine that may be busy.
const patient = 600_000;

const file = at('study.json');
const config = { ...tinyTrials, ann: { epochs: 3, batch: 8 }, checkpoint: { seconds: 0.1 } };
const parameters = { 'ann.optimizer.learningRate': [0.01, 0.02], 'snn.optimizer.learningRate': [1e-4, 1e-3, 1e-2] };
writeFileSync(file, JSON.stringify({ name: 'killed', config, parameters, seeds: [1, 2] }));
/** Six of the twelve, where nothing is killed. */
const fewer = at('fewer.json');
const half = { ...parameters, 'ann.optimizer.learningRate': [0.01] };
writeFileSync(fewer, JSON.stringify({ name: 'fewer', config, parameters: half, seeds: [1, 2] }));

const trials = Array.from({ length: 12 }, (_, i) => String(i + 1).padStart(4, '0'));
const resultsIn = (out: string): number =>
  existsSync(join(out, 'results'))
    ? readdirSync(join(out, 'results')).filter((name) => name.endsWith('.json')).length
    : 0;
/** When each run began: one that is begun anew has another time. */
function begun(out: string): Map<string, string> {
  const times = new Map<string, string>();
  for (const name of trials) {
    const path = join(out, 'trials', name, 'run.json');
    if (existsSync(path)) times.set(name, (JSON.parse(readFileSync(path, 'utf8')) as { created: string }).created);
  }
  return times;
}

/**
 * Starts a sweep in a process group of its own, and kills all of it at a random moment after one more trial has ended,
 * but as soon as another one has: the two that run end less than a second apart on a fast machine, and three kills must
 * leave some of the twelve.
 */
async function killedSweep(out: string): Promise<void> {
  const args = ['sweep', file, '--out', out, '--max-parallel', '2', '--threads', '2', '--json'];
  const child = spawn(process.execPath, [main, ...args], { detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<string | null>((resolve) => child.on('close', (_code, signal) => resolve(signal)));
  const wanted = resultsIn(out) + 1;
  await until(() => child.exitCode !== null || resultsIn(out) >= wanted, Infinity);
  await until(() => resultsIn(out) !== wanted, performance.now() + 900 * Math.random());
  process.kill(-child.pid!, 'SIGKILL');
  expect(await ended).toBe('SIGKILL');
}

test(
  'killed three times it ends with twelve results, each trained once, bit-identical to those of a sweep left alone',
  async () => {
    const out = at('killed');
    const times = new Map<string, string>();
    for (let kill = 0; kill < 3; kill++) {
      await killedSweep(out);
      for (const [name, time] of begun(out)) times.set(name, times.get(name) ?? time);
    }
    expect(resultsIn(out)).toBeLessThan(12);
    const last = await cli(['sweep', file, '--out', out, '--max-parallel', '2', '--json']);
    expect(last.status).toBe(0);
    expect(last.events().at(-1)).toMatchObject({ event: 'swept', done: 12, diverged: 0, failed: 0 });

    const alone = await cli(['sweep', file, '--out', at('alone'), '--json']);
    expect(alone.events().filter(({ event }) => event === 'trial')).toHaveLength(12);
    const lines = (name: string): Record<string, unknown>[] =>
      readFileSync(at(name, 'results.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 }));
    expect(lines('killed')).toHaveLength(12);
    expect(lines('killed')).toEqual(lines('alone'));
    const now = begun(out);
    for (const [name, time] of times) expect([name, now.get(name)]).toEqual([name, time]);
    for (const name of trials) {
      expect(modelBytes(join(out, 'trials', name))).toBe(modelBytes(at('alone', 'trials', name)));
      const epochs = readFileSync(join(out, 'trials', name, 'metrics.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { event: string; phase?: string; epoch?: number })
        .map(({ event, phase, epoch }) => (event === 'epoch' ? `${phase} ${epoch}` : event));
      expect(epochs).toEqual(['ann 1', 'ann 2', 'ann 3', 'converted', 'snn 1', 'snn 2']);
    }
  },
  patient,
);

test(
  'two workers share a folder, and each trial has one of them',
  async () => {
    const args = ['sweep', fewer, '--worker', '--threads', '1', '--out', at('shared'), '--json'];
    const both = await Promise.all([cliProcess(args), cliProcess(args)]);
    const ended = both.map(({ events }) =>
      events()
        .filter(({ event }) => event === 'trial')
        .map(({ trial }) => trial as number),
    );
    expect(both.map(({ status }) => status)).toEqual([0, 0]);
    expect(ended.flat().sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const { events } of both) expect(events().at(-1)).toMatchObject({ event: 'swept', done: 6 });
  },
  patient,
);

test(
  'a signal saves the trials that run and says how to go on',
  async () => {
    const args = ['sweep', fewer, '--out', at('signal'), '--max-parallel', '2'];
    let sent = false;
    const stopped = await cliProcess(args, {
      during: (stdout, child) => {
        if (!sent && /^trial +1\/6/m.test(stdout)) sent = child.kill('SIGTERM');
      },
    });
    expect(stopped.status).toBe(130);
    expect(stopped.stderr).toMatch(/Interrupted and saved\. Go on by: onespike sweep .*fewer\.json --out .*signal/);
    for (const name of readdirSync(at('signal', 'locks'))) expect(readdirSync(at('signal', 'locks', name))).toEqual([]);
    const rest = await cli(args);
    expect(rest.status).toBe(0);
    expect(rest.stdout).toMatch(/6 trials, \d+ of them ended already/);
    expect(rest.stdout).toMatch(/\n6 done, 0 diverged, 0 failed; mean ± standard deviation over seeds\n/);
  },
  patient,
);

test('--dry-run lists the trials and writes nothing', async () => {
  const { status, stdout } = await cli([
    'sweep',
    file,
    '--out',
    at('dry'),
    '--dry-run',
    '--threads',
    '5',
    '--max-parallel',
    '2',
  ]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/\n12 +0\.02 +0\.01 +2\n\n12 trials, 2 at a time, threads each: 3, 2\n$/);
  expect(existsSync(at('dry'))).toBe(false);
  const planned = (await cli(['sweep', file, '--dry-run', '--json'])).events();
  expect(planned).toHaveLength(12);
  expect(planned[0]).toEqual({ event: 'planned', trial: 1, candidate: 1, seed: 1, parameters: expect.any(Object) });
});

test.each<[string[], RegExp]>([
  [['sweep'], /missing required argument 'study\.json'/],
  [['sweep', at('absent.json')], /absent\.json: no such file/],
  [['sweep', file, '--max-parallel', '0'], /an integer from 1 to 4096 for --max-parallel but received '0'/],
  [['sweep', file, '--threads', 'two'], /an integer of at least 1 for --threads but received 'two'/],
  [['sweep', file, '--worker', '--max-parallel', '2'], /no --max-parallel and no --dry-run beside --worker/],
  [['sweep', file, '--worker', '--dry-run'], /no --max-parallel and no --dry-run beside --worker/],
  [['sweep', file, '--device', '0'], /--device beside --worker alone/],
])('%j is wrong usage', async (args, message) => {
  const { status, stderr } = await cli(args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});
