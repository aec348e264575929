// Interrupted at any moment, resumed, and equal to the run that was never interrupted: model, metrics and result.
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../lib/data';
import { cli, cliProcess, temporaryFolder, tinyConfig, type CliResult } from '../helpers/command-line';

const folder = temporaryFolder();
const config = join(folder, 'tiny.json');
const whole = join(folder, 'whole');

/** The settings of every run here: a checkpoint after every step, so that kills fall into the writing of one, too. */
const settings = ['--set', 'checkpoint.seconds=1e-6', '--json'];

/** What must not depend on interruptions: everything but times and rates. */
function timeless(value: unknown): unknown {
  const timed = ['seconds', 'cpuSeconds', 'imagesPerSecond', 'run', 'created'];
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !timed.includes(key))
      .map(([key, item]) => [key, timeless(item)]),
  );
}

function outcome(run: string): { model: string; metrics: unknown; results: unknown } {
  return {
    model: readFileSync(join(run, 'model.safetensors')).toString('base64'),
    metrics: readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => timeless(JSON.parse(line))),
    results: timeless(JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).results),
  };
}

beforeAll(async () => {
  writeFileSync(
    config,
    JSON.stringify({ ...tinyConfig, ann: { ...tinyConfig.ann, epochs: 3 }, snn: { ...tinyConfig.snn, epochs: 3 } }),
  );
  expect((await cli(['train', config, '--out', whole, ...settings])).status).toBe(0);
});

test.each([
  ['in the first epoch', (text: string) => text.includes('"start"')],
  ['between epochs', (text: string) => text.includes('"epoch":2')],
  ['around the conversion', (text: string) => text.includes('"epoch":3')],
  ['in the spiking phase', (text: string) => text.includes('"phase":"snn"')],
])('Ctrl-C %s exits 130, says how to continue, and the resumed run is the same', async (name, ready) => {
  const run = join(folder, name);
  let sent = false;
  const stopped = await cliProcess(['train', config, '--out', run, ...settings], {
    during: (text, child) => {
      if (!sent && ready(text)) sent = child.kill('SIGINT');
    },
  });
  expect(stopped.status).toBe(130);
  expect(stopped.stderr).toContain(`onespike resume '${run}'`);
  expect(stopped.events().at(-2)).toMatchObject({ event: 'saved', run });
  expect(stopped.events().at(-1)).toMatchObject({ event: 'error', code: 'ERR_ABORTED' });
  const resumed = await cli(['resume', run, '--json']);
  expect(resumed.status).toBe(0);
  expect(resumed.events()[0]).toMatchObject({ event: 'start', resumed: { stage: expect.any(String) } });
  expect(outcome(run)).toEqual(outcome(whole));
});

test('a run that is killed at random moments ends with the same parameters', async () => {
  const run = join(folder, 'killed');
  const random = new SeededRandom(1);
  const begin = ['train', config, '--out', run, ...settings];
  let result = await killed(begin, 'from the first moment', 100 + random.below(400));
  let kills = 1;
  while (result.status !== 0) {
    // Killed before run.json was written there is nothing to resume, and the folder is free to begin anew.
    const begun = !result.stdout.includes('ERR_IO');
    if (begun) expect(result.signal).toBe('SIGKILL');
    expect(kills++).toBeLessThan(40);
    // The time to live grows, so that each session gets further than the one before.
    result = await killed(
      begun ? ['resume', run, '--json'] : begin,
      'from the start event',
      random.below(150) + 15 * kills,
    );
  }
  expect(outcome(run)).toEqual(outcome(whole));
});

function killed(
  args: string[],
  from: 'from the first moment' | 'from the start event',
  milliseconds: number,
): Promise<CliResult> {
  let timer: NodeJS.Timeout | undefined;
  const arm = (child: ChildProcess): void => {
    timer ??= setTimeout(() => child.kill('SIGKILL'), milliseconds);
  };
  return cliProcess(args, {
    started: (child) => from === 'from the first moment' && arm(child),
    during: (stdout, child) => from === 'from the start event' && stdout.includes('"start"') && arm(child),
  }).finally(() => clearTimeout(timer));
}

test('a Ctrl-C that npm doubles still saves', async () => {
  const run = join(folder, 'doubled');
  let sent = 0;
  const stopped = await cliProcess(['train', config, '--out', run, ...settings], {
    during: (text, child) => {
      if (!text.includes('"start"') || sent++ > 0) return;
      child.kill('SIGINT');
      child.kill('SIGINT');
    },
  });
  expect(stopped.status).toBe(130);
  expect(stopped.events()).toContainEqual(expect.objectContaining({ event: 'saved' }));
});
