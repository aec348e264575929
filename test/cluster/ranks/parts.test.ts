// Parts of ranks that need no MPI: who starts them, what they share, in what they differ, and when they end.
import { withoutRanks } from '../../../lib/cli/commands/cluster/ranks';
import { durationOption, timeLimit } from '../../../lib/cli/time-limit';
import { differenceOf } from '../../../lib/cluster/ranks/difference';
import { rankPlace } from '../../../lib/cluster/ranks/place';
import { commonProcessor, numbersIn, threadsOf, type RankProcessor } from '../../../lib/cluster/ranks/share';

describe('the place of a process', () => {
  test.each([
    [
      { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' },
      { rank: 1, size: 2, family: 'openmpi', launcher: 'mpirun' },
    ],
    [
      { PMI_RANK: '0', PMI_SIZE: '4' },
      { rank: 0, size: 4, family: 'mpich', launcher: 'mpirun' },
    ],
    [
      { SLURM_PROCID: '3', SLURM_STEP_NUM_TASKS: '8' },
      { rank: 3, size: 8, family: 'any', launcher: 'srun' },
    ],
    [
      { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' },
      { rank: 0, size: 1, family: 'openmpi', launcher: 'mpirun' },
    ],
    // A batch script of Slurm, and a step of one task.
    [{ SLURM_PROCID: '0', SLURM_NTASKS: '8' }, null],
    [{ SLURM_PROCID: '0', SLURM_STEP_NUM_TASKS: '1' }, null],
    [{ PMI_RANK: 'x', PMI_SIZE: '4' }, null],
    [{}, null],
  ])('%j', (environment, place) => {
    expect(rankPlace(environment)).toEqual(place);
  });
});

describe('what ranks share', () => {
  const rank = (host: string, processors: number[]): RankProcessor => ({
    host,
    processors,
    targets: ['AVX2'],
    bf16: 'floats',
  });

  test('the ranks of a host divide the processors that they may run on', () => {
    const ranks = [rank('a', [0, 1, 2, 3]), rank('a', [0, 1, 2, 3]), rank('b', [0, 1, 2, 3])];
    expect(ranks.map((_, i) => threadsOf(ranks, i))).toEqual([2, 2, 4]);
    const bound = [rank('a', [0, 1]), rank('a', [2, 3]), rank('a', [2, 3])];
    expect(bound.map((_, i) => threadsOf(bound, i))).toEqual([2, 1, 1]);
    const three = Array.from({ length: 3 }, () => rank('a', [0, 1, 2]));
    expect(threadsOf(three, 0)).toBe(1);
    expect(threadsOf([rank('a', [0]), rank('a', [0])], 1)).toBe(1);
  });

  test('lists of the kernel', () => {
    expect(numbersIn('0-2,8')).toEqual([0, 1, 2, 8]);
    expect(numbersIn('5')).toEqual([5]);
  });

  test('the best instruction set that all have', () => {
    const one = { ...rank('a', [0]), targets: ['AVX3', 'AVX2', 'SSE4'], bf16: 'amx' as const };
    expect(commonProcessor([one, { ...one, targets: ['AVX2', 'SSE4'], bf16: 'floats' }])).toEqual({
      target: 'AVX2',
      bf16: 'floats',
    });
    expect(commonProcessor([one, { ...one, bf16: 'avx512' }])).toEqual({ target: 'AVX3', bf16: 'avx512' });
    expect(commonProcessor([one, one])).toEqual({ target: 'AVX3', bf16: 'amx' });
    expect(commonProcessor([one, { ...one, targets: ['NEON'] }])).toBeUndefined();
  });
});

describe('a difference', () => {
  const names = ['rank 0 (a)', 'rank 1 (b)', 'rank 2 (c)', 'rank 3 (d)'];

  test('names the ranks that are not like most', () => {
    expect(differenceOf('the version', ['1', '1', '1'], names)).toBeUndefined();
    expect(differenceOf('the version', ['2', '1', '1'], names)).toBe(
      'Expected the same on all ranks for the version, 1 on most, but received 2 on rank 0 (a)',
    );
    expect(differenceOf('the version', ['1', '2', '1', '3'], names)).toContain(
      '2 on rank 1 (b) (and 1 more that differ)',
    );
    expect(differenceOf('the version', ['1', '2'], names)).toContain('2 on rank 1 (b)');
  });

  test('names the key of objects', () => {
    const config = { seed: 1, ann: { batch: 16, epochs: 2 } };
    const other = { seed: 1, ann: { batch: 16, epochs: 3 } };
    expect(
      differenceOf(
        'the configuration',
        [config, other].map((each) => JSON.stringify(each)),
        names,
      ),
    ).toBe(
      'Expected the same on all ranks for the configuration (ann.epochs), 2 on most, but received 3 on rank 1 (b)',
    );
    expect(differenceOf('the configuration', ['{"seed":1}', '{}'], names)).toContain('but received none on rank 1 (b)');
  });
});

test.each([
  [
    ['train', '--ranks', '4', '--json'],
    ['train', '--json'],
  ],
  [
    ['train', '--ranks=4', 'vgg6'],
    ['train', 'vgg6'],
  ],
])('%j without the option is %j', (args, rest) => {
  expect(withoutRanks(args)).toEqual(rest);
});

describe('durations', () => {
  test.each([
    ['45s', 45],
    ['90m', 5400],
    ['1h30m', 5400],
    ['1.5h', 5400],
    ['2d', 172800],
    ['30', 1800],
    ['30:15', 1815],
    ['8:00:00', 28800],
    ['1-12', 129600],
    ['1-12:30:05', 131405],
  ])('%s is %d seconds', (text, seconds) => {
    expect(durationOption(text)).toBe(seconds);
  });

  test.each(['', '0', 'soon', '-5m', '1:2:3:4', '5x', '1-'])('%j is none', (text) => {
    expect(() => durationOption(text)).toThrow('Expected a duration such as 90m');
  });

  test('the earlier of the own limit and that of Slurm', () => {
    expect(timeLimit(undefined, {})).toBeUndefined();
    const soon = String(Math.floor(Date.now() / 1000) + 100);
    const slurm = timeLimit(undefined, { SLURM_JOB_END_TIME: soon })!;
    expect(slurm.reason).toContain('Slurm');
    expect(Math.abs(slurm.milliseconds - 40_000)).toBeLessThan(1500);
    const both = timeLimit(performance.now() / 1000 + 10, { SLURM_JOB_END_TIME: soon })!;
    expect(both.reason).toBe('the time limit is reached');
    expect(Math.abs(both.milliseconds - 10_000)).toBeLessThan(500);
  });
});
