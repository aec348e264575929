// Ranks that are killed, or stopped for longer than the deadline, at random moments: all end within 30 s with a message
// that names the rank, and the run, resumed by another number of ranks, ends with the bits of an undisturbed one.
// ONESPIKE_KILLS sets how many times; 2 for each MPI by default.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../../lib/data';
import { main, temporaryFolder } from '../../helpers/command-line';
import { until } from '../../helpers/until';
import { builtCache, isRunning, linesOf, mpis, run } from './helpers';
import { dividedConfig, modelOf, onespike, ranksBelow, writeConfig } from './training';

const folder = temporaryFolder();
const environment = { ...builtCache(), ONESPIKE_RANK_DEADLINE: '2' };
const times = Number(process.env.ONESPIKE_KILLS ?? 2);
const signals = ['SIGKILL', 'SIGSTOP'] as const;
let config: string;

beforeAll(async () => {
  config = writeConfig(folder, 'config', dividedConfig);
  if (mpis.length > 0)
    await run(process.execPath, [main, 'train', config, '--out', join(folder, 'alone')], environment);
}, 120_000);

(mpis.length > 0 ? describe : describe.skip).each(mpis)('$name', (mpi) => {
  test.each(Array.from({ length: times }, (_, i) => [i, signals[i % 2]!] as const))(
    'disturbance %d, by %s',
    async (i, signal) => {
      const random = new SeededRandom(i);
      const out = join(folder, `${mpi.name}-${i}`);
      const ranks = i % 4 < 2 ? 2 : 4;
      const victim = random.below(ranks);
      const lines = 1 + random.below(5);
      let at = 0;
      let pids: number[] = [];
      const ended = await onespike(
        mpi,
        ranks,
        ['train', config, '--out', out, '--json'],
        environment,
        (stdout, child) => {
          if (at > 0 || linesOf(stdout).length < lines) return;
          pids = ranksBelow(child.pid!);
          at = performance.now();
          const pid = pids.find((each) => rankOf(each) === victim)!;
          setTimeout(() => process.kill(pid, signal), random.below(200));
        },
      );
      const seconds = (performance.now() - at) / 1000;
      // mpirun does not wait for those that it has killed.
      await until(() => !pids.some(isRunning), at + 30_000);
      expect({ pids: pids.length, left: pids.filter(isRunning) }).toEqual({ pids: ranks, left: [] });
      // The training may have ended before.
      if (ended.status !== 0) {
        expect(seconds).toBeLessThan(30);
        expect(ended.stdout + ended.stderr).toMatch(named(mpi.name, signal, victim, pids));
      }
      const other = [1, 2, 4][i % 3]!;
      const more =
        other === 1
          ? await run(process.execPath, [main, 'resume', out], environment)
          : await onespike(mpi, other, ['resume', out], environment);
      expect({ status: more.status, stderr: more.status === 0 ? '' : more.stderr }).toEqual({ status: 0, stderr: '' });
      expect(modelOf(out).equals(modelOf(join(folder, 'alone')))).toBe(true);
    },
    120_000,
  );
});

/** The rank of a process, as its launcher has told it. */
function rankOf(pid: number): number {
  return Number(
    /\0(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(`\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`)![1],
  );
}

/** A death is noticed by mpirun, which names a rank or a process; silence by the other ranks. */
function named(mpi: string, signal: string, rank: number, pids: readonly number[]): RegExp {
  if (signal === 'SIGSTOP') return new RegExp(`rank ${rank} \\(.*\\) to answer within 2 s`);
  return mpi === 'openmpi' ? new RegExp(`rank ${rank} .*signal 9`) : new RegExp(`PID (${pids.join('|')}) RUNNING AT`);
}
