// Signals at random moments of a training: the run is saved, and once resumed it ends with the same parameters.
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../lib/data';
import { train } from '../../lib/train/loop/train';
import { cliProcess, temporaryFolder, type CliResult } from '../helpers/command-line';
import { briefConfig, complaints, lost, undisturbed } from './helpers';

const folder = temporaryFolder();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const;
const epochs = 12;
let config: string;
let model: Buffer;

beforeAll(async () => {
  const long = { ...briefConfig, ann: { ...briefConfig.ann, epochs }, snn: { ...briefConfig.snn, epochs } };
  ({ config, model } = await undisturbed(folder, long));
}, 300_000);

/** Trains until the output holds `lines` whole lines, and then sends the signal, `times` times. */
function signalled(run: string, signal: NodeJS.Signals, lines: number, times = 1): Promise<CliResult> {
  let sent = false;
  return cliProcess(['train', config, '--out', run, '--json'], {
    during: (stdout: string, child: ChildProcess) => {
      if (sent || stdout.split('\n').length <= lines) return;
      sent = true;
      for (let i = 0; i < times; i++) child.kill(signal);
    },
  });
}

test.each(signals)(
  '%s at random moments saves and stops',
  async (signal) => {
    const random = new SeededRandom(signals.indexOf(signal));
    for (let round = 0; round < 2; round++) {
      const run = join(folder, `${signal}-${round}`);
      // One line of output for the start, one for each epoch, one for the conversion.
      const result = await signalled(run, signal, 1 + random.below(2 * epochs));
      expect(complaints('train', result, run)).toEqual([]);
      expect({ status: result.status, stderr: result.stderr }).toEqual({
        status: 130,
        stderr: expect.stringContaining(`onespike resume ${run}`),
      });
      expect(result.stderr).not.toContain('Debugger');
      expect(result.events()).toContainEqual(expect.objectContaining({ event: 'saved', run }));
      expect(await lost(run, model)).toEqual([]);
    }
  },
  300_000,
);

test.each(['SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const)(
  '%s again and again does not interrupt saving',
  async (signal) => {
    const run = join(folder, `${signal}-repeated`);
    const result = await signalled(run, signal, 2, 20);
    expect(result.status).toBe(130);
    expect(await lost(run, model)).toEqual([]);
  },
  300_000,
);

test('SIGUSR1 while Node.js is still starting ends the command: the debugger does not swallow it', async () => {
  const run = join(folder, 'starting');
  for (const milliseconds of [15, 30, 60, 120, 240]) {
    const { status, signal } = await cliProcess(['train', config, '--out', run, '--set', 'ann.epochs=100000'], {
      started: (child) => {
        setTimeout(() => child.kill('SIGUSR1'), milliseconds);
        setTimeout(() => child.kill('SIGKILL'), 20_000).unref();
      },
    });
    rmSync(run, { recursive: true, force: true });
    // Before Node.js has a handler of its own, the signal ends the process.
    expect(signal === 'SIGUSR1' || status === 130 || { milliseconds, status, signal }).toBe(true);
  }
}, 300_000);

test('an interruption before the run has begun leaves nothing', async () => {
  const out = join(folder, 'early', 'run');
  const events = train({ ...JSON.parse(readFileSync(config, 'utf8')), out }, { signal: AbortSignal.abort() });
  await expect(events.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(existsSync(join(folder, 'early'))).toBe(false);
});
