// `onespike simulate`: its event, its table, its errors, and an interruption.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();
const run = join(folder, 'run');

beforeAll(async () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify(tinyConfig));
  expect((await cli(['train', config, '--out', run, '--json'])).status).toBe(0);
}, 120_000);

const simulate = (...more: string[]) => cli(['simulate', run, '--images', '20', ...more]);

test('the event of a code, with the accuracy after every recorded step', async () => {
  const { status, events } = await simulate('--code', 'direct', '--timesteps', '50', '--record', '10', '--json');
  expect(status).toBe(0);
  const [event] = events().filter((each) => each.event === 'simulate');
  expect(event).toMatchObject({ code: 'direct', timesteps: 50, images: 20, run });
  expect(event!.steps.map(({ step }: { step: number }) => step)).toEqual([10, 20, 30, 40, 50]);
  expect(event!.accuracy).toBe(Math.max(...event!.steps.map(({ accuracy }: { accuracy: number }) => accuracy)));
  expect([10, 20, 30, 40, 50]).toContain(event!.stepsWithinOnePoint);
  const [, fields] = /\n\| `simulate` +\|([^|]*)\|/.exec(readFileSync(join(__dirname, '../../docs/CLI.md'), 'utf8'))!;
  expect([...fields!.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(
    Object.keys(event!)
      .filter((name) => name !== 'event')
      .sort(),
  );
  expect(event!.operations.ac).toBeGreaterThan(0);
  expect(event!.operations.mac).toBeGreaterThan(0);
  expect(event!.energy['compute/int32'].picojoules).toBeCloseTo(
    3.2 * event!.operations.mac + 0.1 * event!.operations.ac,
    3,
  );
}, 60_000);

test('a table for a person', async () => {
  const { status, stdout } = await simulate('--code', 'ttfs-converted');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^step +accuracy\n/m);
  expect(stdout).toMatch(/within one point of it from step \d+ of \d+ on/);
  expect(stdout).toContain('compute/int32');
}, 60_000);

test('what is wrong is said: no code, an unknown one, an option of another code, a run without an ANN', async () => {
  expect((await simulate()).status).toBe(2);
  expect((await simulate('--code', 'morse')).status).toBe(2);
  const foreign = await simulate('--code', 'tsc', '--timesteps', '8', '--base', '1.5');
  expect([foreign.status, foreign.stderr]).toEqual([2, expect.stringContaining("no base for the code 'tsc'")]);
  const config = join(folder, 'scratch.json');
  writeFileSync(config, JSON.stringify({ ...tinyConfig, ann: { ...tinyConfig.ann, epochs: 0 } }));
  const scratch = join(folder, 'scratch');
  expect((await cli(['train', config, '--out', scratch, '--json'])).status).toBe(0);
  const none = await cli(['simulate', scratch, '--code', 'rate', '--timesteps', '8', '--json']);
  expect(none.status).toBe(1);
  expect(none.events().at(-1)).toMatchObject({ event: 'error', code: 'ERR_STATE' });
}, 120_000);

test('Ctrl-C ends it with 130', async () => {
  const { status } = await cliProcess(['simulate', run, '--code', 'rate', '--timesteps', '60000', '--json'], {
    started: (child) => setTimeout(() => child.kill('SIGINT'), 3000),
  });
  expect(status).toBe(130);
}, 60_000);
