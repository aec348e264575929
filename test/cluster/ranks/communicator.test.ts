// What ranks say to each other, and what becomes of a rank that is silent or fails: small programs under mpirun.
import { until } from '../../helpers/until';
import { builtCache, isRunning, linesOf, mpis, program, ranksOf, run, type Ended, type Mpi } from './helpers';

const environment = { ...builtCache(), ONESPIKE_RANK_DEADLINE: '1.5' };
const started = (mpi: Mpi, ranks: number, scenario: string, during?: Parameters<typeof run>[3]): Promise<Ended> =>
  run(mpi.mpirun, [...ranksOf(mpi, ranks), process.execPath, program, scenario], environment, during);

(mpis.length > 0 ? describe : describe.skip).each(mpis)('$name', (mpi) => {
  test.each([1, 3])('%d ranks exchange bytes', async (size) => {
    const { status, lines, stderr } = await started(mpi, size, 'collectives');
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const gathered = Array.from({ length: size }, (_, rank) => 'r'.repeat(rank));
    const same = { size, broadcast: 'of rank 0', nothing: 0, large: [3e6, true], gathered, any: [false, true] };
    expect(lines.sort((a, b) => a.rank - b.rank)).toEqual(
      gathered.map((_, rank) => ({ ...same, rank, ...(size === 1 ? {} : { refused: expect.any(String) }) })),
    );
    if (size > 1)
      expect(lines[0]!.refused).toMatch(/^ERR_STATE Expected the same on all ranks for the version.*rank 1 \(/);
  });

  test('a broadcast takes the bytes alone, which are those of rank 0', async () => {
    const { status, lines } = await started(mpi, 2, 'arity');
    expect(status).toBe(0);
    for (const { message } of lines) expect(message).toMatch(/2 arguments for communicatorBroadcast but received 3/);
  });

  test('UCX does not rewrite the calls for memory', async () => {
    const told = { ...environment, UCX_MEM_LOG_LEVEL: 'info' };
    const { status, stdout, stderr } = await run(
      mpi.mpirun,
      [...ranksOf(mpi, 2), process.execPath, program, 'arity'],
      told,
    );
    expect(status).toBe(0);
    expect(stdout + stderr).not.toMatch(/installed events/);
  });

  test('a rank that computes for longer than the deadline is not silent', async () => {
    const { status, lines } = await started(mpi, 2, 'busy');
    expect(status).toBe(0);
    expect(lines).toHaveLength(2);
  });

  test('a rank that is stopped is named, and all end', async () => {
    let stopped = 0;
    const { status, lines, seconds } = await started(mpi, 3, 'wait', (stdout) => {
      const ranks = linesOf(stdout).filter(({ pid }) => pid !== undefined);
      if (stopped !== 0 || ranks.length < 3) return;
      stopped = ranks.find(({ rank }) => rank === 1)!.pid;
      process.kill(stopped, 'SIGSTOP');
    });
    expect(status).not.toBe(0);
    expect(seconds).toBeLessThan(15);
    const errors = lines.filter(({ code }) => code !== undefined);
    expect(errors[0]).toMatchObject({
      code: 'ERR_IO',
      message: expect.stringMatching(/rank 1 \(.*\) to answer within 1.5 s/),
    });
    // mpirun kills it, and may end a moment before it.
    await until(() => !isRunning(stopped));
    expect(isRunning(stopped)).toBe(false);
  });

  test('what fails on one rank ends the others, and rank 0 says what it was', async () => {
    const { status, lines, seconds } = await started(mpi, 3, 'failing');
    // What mpirun answers where one rank has left before another is its own.
    expect(status).not.toBe(0);
    expect(seconds).toBeLessThan(10);
    expect(lines).toEqual([
      { rank: 0, code: 'ERR_IO', message: expect.stringMatching(/^rank 1 \(.*\): Expected a disk but received none$/) },
    ]);
  });

  test('what all ranks meet is said once, and all leave with the same status', async () => {
    const { status, lines } = await started(mpi, 3, 'alike');
    expect(status).toBe(130);
    expect(lines).toEqual([{ rank: 0, code: 'ERR_ABORTED', message: 'Training was interrupted' }]);
  });
});
