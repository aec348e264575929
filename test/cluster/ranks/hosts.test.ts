// Two hosts on one machine: network namespaces with a virtual cable. They train to the bits of one process; when the
// cable is cut, both ends say so and leave, and the run goes on from there.
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, temporaryFolder } from '../../helpers/command-line';
import { until } from '../../helpers/until';
import { builtCache, isRunning, linesOf, mpis, run, type Ended } from './helpers';
import { dividedConfig, modelOf, writeConfig } from './training';

const folder = temporaryFolder();
const environment = { ...builtCache(), ONESPIKE_RANK_DEADLINE: '4' };
const mpi = mpis.find(({ name }) => name === 'openmpi');
/** Names of the namespaces and of the ends of the cable, which are the machine's: of this process alone. */
const names = ['a', 'b'].map((end) => ({
  host: `host-${end}`,
  space: `os${process.pid}${end}`,
  end: `ve${process.pid}${end}`,
}));
const ip = (...words: string[]): string =>
  execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Why there are no two hosts, or ''. */
function connect(): string {
  if (mpi === undefined) return 'no Open MPI here: apt-get install openmpi-bin libopenmpi-dev';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (spawnSync('ip', ['-V']).error !== undefined) return 'no ip here: apt-get install iproute2';
  try {
    const [a, b] = names as [(typeof names)[0], (typeof names)[0]];
    for (const { space } of names) ip('netns', 'add', space);
    ip('link', 'add', a.end, 'netns', a.space, 'type', 'veth', 'peer', 'name', b.end, 'netns', b.space);
    names.forEach(({ space, end }, i) => {
      ip('-n', space, 'addr', 'add', `10.77.0.${i + 1}/24`, 'dev', end);
      for (const device of ['lo', end]) ip('-n', space, 'link', 'set', device, 'up');
    });
    return '';
  } catch (error) {
    return `no network namespaces here: ${(error as { stderr?: string }).stderr ?? error}`.trim();
  }
}

const reason = connect();
if (reason !== '') console.log(`skipped: two hosts: ${reason}`);
afterAll(() => {
  for (const { space } of names) spawnSync('ip', ['netns', 'del', space]);
});

/** What ssh is between real hosts: runs a command on a host, which has a name of its own. */
const agent = join(folder, 'agent.sh');
writeFileSync(
  agent,
  `#!/bin/sh
case $1 in
${names.map(({ host, space }, i) => `${host}|10.77.0.${i + 1}) space=${space} name=${host};;`).join('\n')}
esac
shift
exec ip netns exec $space unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "$name" "$*"
`,
  { mode: 0o755 },
);
const hosts = join(folder, 'hosts');
writeFileSync(hosts, '10.77.0.1 slots=1\n10.77.0.2 slots=1\n');

/** The command line on both hosts, a rank on each. */
const onBoth = (args: string[], output: string, during?: Parameters<typeof run>[3]): Promise<Ended> =>
  run(
    agent,
    [
      'host-a',
      ...['exec', mpi!.mpirun, '--hostfile', hosts, '-n', '2', '--map-by', 'node', '--bind-to', 'none'],
      ...['--output-filename', output, '--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'tcp,self'],
      ...['--mca', 'btl_tcp_if_include', '10.77.0.0/24', '--mca', 'oob_tcp_if_include', '10.77.0.0/24'],
      ...Object.keys(environment)
        .filter((key) => key.startsWith('ONESPIKE'))
        .flatMap((key) => ['-x', key]),
      ...[process.execPath, main, ...args],
    ],
    environment,
    during,
  );

/** What the ranks of a job wrote on their hosts, by rank and stream. */
const writtenBy = (output: string, rank: number): string =>
  ['stdout', 'stderr'].map((name) => readFileSync(join(output, '1', `rank.${rank}`, name), 'utf8')).join('');

/** Processes whose command line holds `text`. */
const processesOf = (text: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });

(reason === '' ? test : test.skip)(
  'two hosts train to the bits of one process; a cut cable ends both with an error, and the run goes on',
  async () => {
    const config = writeConfig(folder, 'config', dividedConfig);
    const alone = join(folder, 'alone');
    expect((await run(process.execPath, [main, 'train', config, '--out', alone], environment)).status).toBe(0);

    const whole = join(folder, 'whole');
    const { status, stderr } = await onBoth(['train', config, '--out', whole, '--json'], join(folder, 'output'));
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(modelOf(whole).equals(modelOf(alone))).toBe(true);

    const cut = join(folder, 'cut');
    const output = join(folder, 'output-cut');
    let at = 0;
    const ended = await onBoth(['train', config, '--out', cut, '--json'], output, (stdout) => {
      if (at > 0 || linesOf(stdout).every(({ event }) => event !== 'epoch')) return;
      at = performance.now();
      ip('-n', names[0]!.space, 'link', 'set', names[0]!.end, 'down');
    });
    const seconds = (performance.now() - at) / 1000;
    // The daemon of the far end was told by its rank, as mpirun was by rank 0.
    await until(() => processesOf(cut).length === 0, at + 30_000);
    expect({ left: processesOf(cut), late: seconds > 30, succeeded: ended.status === 0 }).toEqual({
      left: [],
      late: false,
      succeeded: false,
    });
    expect(writtenBy(output, 0)).toMatch(/rank 1 \(host-b\) to answer within 4 s but received nothing/);
    expect(writtenBy(output, 1)).toMatch(/rank 0 \(host-a\) to answer within 4 s but received nothing/);

    ip('-n', names[0]!.space, 'link', 'set', names[0]!.end, 'up');
    rmSync(output, { recursive: true });
    const more = await run(process.execPath, [main, 'resume', cut], environment);
    expect(more.status).toBe(0);
    expect(modelOf(cut).equals(modelOf(alone))).toBe(true);
  },
  240_000,
);
