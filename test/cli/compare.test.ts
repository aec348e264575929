// `onespike compare`: its events, its files, wrong usage, and an interruption.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyCompared } from '../codes/helpers';
import { cli, cliProcess, temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const config = join(folder, 'tiny.json');
const out = join(folder, 'out');
const run = join(out, 'run');
writeFileSync(config, JSON.stringify({ ...tinyCompared, compare: { trained: { ttfs: {} } } }));
/** Few steps of the codes that would take the longest. */
const few = ['rate=20', 'direct=10', 'phase=16', 'burst=8'].flatMap((words) => ['--timesteps', words]);
const code = ({ event }: { event?: string }): boolean => event === 'code';

beforeAll(async () => {
  const { status, events, stderr } = await cli(['compare', config, '--quick', '--out', out, ...few, '--json']);
  expect([status, stderr.replace(/^warning.*\n/gm, '')]).toEqual([0, '']);
  const names = events()
    .filter(code)
    .map((event) => event.code);
  expect(names).toEqual([
    'hybrid',
    'ann',
    'rate',
    'direct',
    'phase',
    'burst',
    'ttfs-converted',
    'tsc',
    'one-spike-phase',
    'ttfs',
  ]);
  expect(events().filter(({ event }) => event === 'done')).toHaveLength(2);
  expect(events().at(-1)).toEqual({ event: 'compared', out, run, images: 40, codes: 10 });
}, 120_000);

test('compare.json holds the events, compare.md and compare.svg are there, and CLI.md lists every field', () => {
  const codes = JSON.parse(readFileSync(join(out, 'compare.json'), 'utf8')) as Record<string, unknown>[];
  expect(codes.filter(code)).toHaveLength(10);
  expect(readFileSync(join(out, 'compare.md'), 'utf8')).toMatch(/^\| code \| accuracy \| steps \|/);
  expect(readFileSync(join(out, 'compare.svg'), 'utf8')).toMatch(/^<svg /);
  const page = readFileSync(join(__dirname, '../../docs/CLI.md'), 'utf8');
  for (const [event, fields] of [
    ['code', Object.keys(codes[0]!)],
    ['compared', ['event', 'out', 'run', 'images', 'codes']],
  ] as const) {
    const [, listed] = new RegExp(`\\n\\| \`${event}\` +\\|([^|]*)\\|`).exec(page)!;
    const names = [...listed!.replace(/\([^)]*\)/g, '').matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(names.sort()).toEqual(fields.filter((name) => name !== 'event').sort());
  }
});

test('the same command for a person: nothing is trained or measured again, one table', async () => {
  const { status, stdout } = await cli(['compare', config, '--quick', '--out', out, ...few]);
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/^ann +1\/1/m);
  expect(stdout).toMatch(
    /^code +accuracy +steps +within 1 point +spikes\/image +ACs\/image +MACs\/image +images\/s +seconds$/m,
  );
  expect(stdout).toMatch(/^code +compute\/int32 .* compute\+memory\/int8$/m);
  expect(stdout).toMatch(/results {2}.*compare\.md, .*compare\.svg, .*compare\.json/);
}, 60_000);

test('Ctrl-C ends with 130 and keeps what is done; the same command goes on', async () => {
  const beside = join(folder, 'beside');
  const args = ['compare', run, '--out', beside, '--timesteps', 'direct=60000', '--json'];
  let sent = false;
  const stopped = await cliProcess([...args, '--timesteps', 'rate=4'], {
    during: (stdout, child) => {
      if (!sent && stdout.includes('"code":"rate"')) sent = child.kill('SIGINT');
    },
  });
  expect(stopped.status).toBe(130);
  expect(stopped.stderr).toContain('Interrupted and saved. The same command goes on.');
  const done = JSON.parse(readFileSync(join(beside, 'compare.json'), 'utf8')) as object[];
  expect(done).toHaveLength(3);
  expect(existsSync(join(beside, 'compare', 'run.lock'))).toBe(false);
  const rest = await cli([
    'compare',
    run,
    '--out',
    beside,
    '--json',
    '--timesteps',
    'rate=4',
    '--timesteps',
    'direct=5',
    '--quick',
  ]);
  expect(rest.status).toBe(0);
  expect(rest.events().filter(code).slice(0, 3)).toEqual(done);
}, 120_000);

test.each<[string[], number, RegExp]>([
  [['compare'], 2, /missing required argument 'run\|config'/],
  [['compare', join(folder, 'absent.json')], 2, /absent\.json: no such file/],
  [['compare', folder], 1, /run\.json/],
  [['compare', run, '--timesteps', 'morse=4'], 2, /CODE=N with one of rate, .* but received 'morse=4'/],
  [['compare', run, '--timesteps', 'rate'], 2, /CODE=N with one of rate, .* for --timesteps but received 'rate'/],
  [['compare', run, '--timesteps', 'rate=0'], 2, /an integer from 1 to 65535 for --timesteps but received '0'/],
  [
    ['compare', run, '--timesteps', 'rate=3', '--timesteps', 'rate=4'],
    2,
    /one number of time steps for rate for --timesteps but received 'rate=4'/,
  ],
  [['compare', run, '--images', '0'], 2, /an integer of at least 1 for --images but received '0'/],
  [['compare', run, '--set', 'seed=2'], 2, /with a preset or a configuration but received a run/],
  [['compare', run, '--theme', 'blue'], 2, /for --theme but received 'blue'/],
  [['compare', 'vgg7-ttfs'], 2, /without a code .* for model\.code but received 'ttfs'/],
])(
  '%j is refused with %d',
  async (args, status, message) => {
    const result = await cli(args);
    expect([result.status, result.stderr]).toEqual([status, expect.stringMatching(message)]);
  },
  60_000,
);
