// Training in several processes: bit-identical to that in one, one voice, and a common end.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, temporaryFolder } from '../../helpers/command-line';
import { builtCache, linesOf, mpis, run } from './helpers';
import { dividedConfig, modelOf, onespike, ranksBelow, resultsOf, writeConfig } from './training';

const folder = temporaryFolder();
const environment = builtCache();
const several = mpis.length > 0 ? describe : describe.skip;
const mpi = mpis[0]!;
let config: string;

const alone = (args: string[], during?: Parameters<typeof run>[3]): ReturnType<typeof run> =>
  run(process.execPath, [main, ...args], environment, during);

beforeAll(async () => {
  config = writeConfig(folder, 'config', dividedConfig);
  await alone(['train', config, '--out', join(folder, 'alone')]);
}, 120_000);

several('ranks', () => {
  test.each(mpis.flatMap((each) => [2, 4].map((ranks) => [each.name, ranks, each] as const)))(
    '%s, %d of them train to the bits of one process',
    async (name, ranks, each) => {
      const out = join(folder, `${name}-${ranks}`);
      const { status, lines, stderr } = await onespike(
        each,
        ranks,
        ['train', config, '--out', out, '--json'],
        environment,
      );
      expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
      expect(lines.filter(({ event }) => event === 'start')).toEqual([
        expect.objectContaining({
          ranks,
          shards: 8,
          exchange: { engine: 'mpi', version: null, reason: 'no GPU is used' },
          instructionSet: expect.any(String),
        }),
      ]);
      expect(modelOf(out).equals(modelOf(join(folder, 'alone')))).toBe(true);
      expect(resultsOf(out)).toEqual(resultsOf(join(folder, 'alone')));
    },
    120_000,
  );

  test('in mixed precision too, and --ranks starts them', async () => {
    const one = join(folder, 'mixed-one');
    await alone(['train', config, '--precision', 'mixed', '--out', one]);
    const out = join(folder, 'mixed');
    const { status, lines } = await alone([
      'train',
      config,
      '--precision',
      'mixed',
      '--ranks',
      '2',
      '--out',
      out,
      '--json',
    ]);
    expect(status).toBe(0);
    expect(lines.find(({ event }) => event === 'start')).toMatchObject({ ranks: 2, precision: 'mixed' });
    expect(modelOf(out).equals(modelOf(one))).toBe(true);
  }, 120_000);

  test('a configuration without shards has 8 under mpirun, with one rank as well', async () => {
    const plain = writeConfig(folder, 'plain', {
      ...dividedConfig,
      shards: null,
      ann: { epochs: 0 },
      snn: { epochs: 0 },
    });
    const start = async (ranks: number): Promise<unknown> => {
      const args = ['train', plain, '--out', join(folder, `plain-${ranks}`), '--json'];
      return (await onespike(mpi, ranks, args, environment)).lines.find(({ event }) => event === 'start')?.shards;
    };
    expect([await start(1), await start(2)]).toEqual([8, 8]);
    expect((await alone(['train', plain, '--out', join(folder, 'plain'), '--json'])).lines[0]).toMatchObject({
      shards: null,
    });
  }, 120_000);

  test('one rank keeps to the minutes as one process does', async () => {
    const args = [
      'train',
      'vgg6',
      '--minutes',
      '0.0001',
      '--set',
      'dataset.trainCount=40',
      '--set',
      'dataset.testCount=10',
    ];
    const [one, rank] = [await alone(args), await onespike(mpi, 1, args, environment)];
    for (const { stderr } of [one, rank]) expect(stderr).toMatch(/Expected at least [\d.]+ for minutes/);
    expect(rank.status).toBe(one.status);
  }, 60_000);

  test.each(['SIGTERM', 'SIGUSR1'] as const)(
    '%s to one rank saves and ends all of them with 130, and one process goes on',
    async (signal) => {
      const out = join(folder, signal);
      let sent = false;
      const { status, lines, stderr } = await onespike(
        mpi,
        2,
        ['train', config, '--out', out, '--json'],
        environment,
        (stdout, child) => {
          if (sent || linesOf(stdout).every(({ event }) => event !== 'epoch')) return;
          sent = true;
          const [, second] = ranksBelow(child.pid!);
          process.kill(second!, signal);
        },
      );
      expect(status).toBe(130);
      expect(lines.filter(({ event }) => event === 'saved')).toEqual([expect.objectContaining({ run: out })]);
      expect(stderr.match(/onespike resume/g)).toHaveLength(1);
      expect((await alone(['resume', out])).status).toBe(0);
      expect(modelOf(out).equals(modelOf(join(folder, 'alone')))).toBe(true);
    },
    120_000,
  );

  test('the time limit ends all ranks, and the run is saved', async () => {
    const out = join(folder, 'limit');
    const long = writeConfig(folder, 'long', { ...dividedConfig, ann: { ...dividedConfig.ann, epochs: 500 } });
    const { status, stderr } = await alone(['train', long, '--ranks', '2', '--time-limit', '8s', '--out', out]);
    expect(status).toBe(130);
    expect(stderr).toContain('the time limit is reached');
    expect(existsSync(join(out, 'run.json'))).toBe(true);
  }, 120_000);

  test.each([
    [
      'another configuration',
      (rank: number) => ['--set', `ann.epochs=${rank + 1}`],
      /the configuration \(ann\.epochs\).* rank 1 \(/,
    ],
    ['another seed', (rank: number) => ['--set', `seed=${rank}`], /the configuration \(seed\).* rank 1 \(/],
  ])(
    '%s on a rank is refused by its name',
    async (_, args, message) => {
      const words = [0, 1].flatMap((rank) => [
        ...(rank === 0 ? [] : [':']),
        '-n',
        '1',
        process.execPath,
        main,
        'train',
        config,
        '--out',
        join(folder, 'refused'),
        ...args(rank),
      ]);
      const { status, stderr } = await run(mpi.mpirun, words, environment);
      expect(status).toBe(1);
      expect(stderr).toMatch(message);
      expect(stderr.match(/ERR_STATE/g)).toHaveLength(1);
      expect(existsSync(join(folder, 'refused'))).toBe(false);
    },
    60_000,
  );

  test('a mistake in the configuration is said once', async () => {
    const { status, stderr } = await onespike(mpi, 2, ['train', config, '--set', 'nothing=1'], environment);
    expect(status).toBe(2);
    expect(stderr.match(/nothing/g)!.length).toBeLessThan(3);
  }, 60_000);
});

test('without a library the error says how to build one', async () => {
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const { status, stderr } = await run(process.execPath, [main, 'train', config], {
    ...environment,
    ONESPIKE_CACHE: empty,
    OMPI_COMM_WORLD_RANK: '0',
    OMPI_COMM_WORLD_SIZE: '2',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/Expected a library for Open MPI but received none: `onespike mpi build`.*ERR_NO_BACKEND/);
  expect(readdirSync(empty)).toEqual([]);
});

test('mpi build says what is missing, and doctor what is there', async () => {
  const broken = join(folder, 'mpicc-broken');
  writeFileSync(broken, '#!/bin/sh\necho "mpi.h: No such file" >&2; exit 1\n', { mode: 0o755 });
  const build = (mpicc: string): ReturnType<typeof run> => alone(['mpi', 'build', '--mpicc', mpicc]);
  expect((await build('mpicc-of-nobody')).stderr).toMatch(/no mpicc-of-nobody on the PATH: install one .*apt-get/);
  expect((await build(broken)).stderr).toMatch(
    /to compile a small library but it failed: mpi.h: No such file.*ERR_NO_BACKEND/,
  );
  const [doctor] = (await alone(['doctor', '--json'])).lines;
  expect(doctor!.mpi).toEqual(
    mpis.length > 0
      ? expect.objectContaining({ available: true, reason: '', implementation: expect.stringMatching(/^\w+-\d/) })
      : expect.objectContaining({ available: false, reason: expect.stringContaining('mpicc') }),
  );
});
