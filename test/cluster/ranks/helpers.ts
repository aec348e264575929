// The MPIs of this machine, and programs that they start.
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, runProcess, type CliResult } from '../../helpers/command-line';

export const program = join(__dirname, 'program.cjs');

/**
 * An MPI that is installed: the programs of Debian end with the name of their implementation where there are several.
 */
export interface Mpi {
  name: 'openmpi' | 'mpich';
  mpicc: string;
  mpirun: string;
}

const answer = (command: string): string => {
  const { stdout, error } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return error === undefined ? stdout : '';
};

function find(name: Mpi['name']): Mpi[] {
  const itself = (text: string): boolean => text !== '' && /Open MPI|OpenRTE/.test(text) === (name === 'openmpi');
  const mpirun = [`mpirun.${name}`, 'mpirun'].find((command) => itself(answer(command)));
  const mpicc = [`mpicc.${name}`, 'mpicc'].find((command) => answer(command) !== '');
  return mpirun === undefined || mpicc === undefined ? [] : [{ name, mpicc, mpirun }];
}

export const mpis = [...find('openmpi'), ...find('mpich')];
/** Why nothing can be started in several ranks, or ''. */
export const mpiReason = mpis.length > 0 ? '' : 'no MPI here: apt-get install openmpi-bin libopenmpi-dev';
if (mpiReason !== '') console.log(`skipped: several ranks: ${mpiReason}`);

/** A cache with a library for every MPI, which is gone after the tests of the file, as an environment. */
export function builtCache(): Record<string, string> {
  const cache = mkdtempSync(join(tmpdir(), 'onespike-mpi-'));
  const environment = {
    ONESPIKE_CACHE: cache,
    // Open MPI asks root whether that is meant.
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    CUDA_VISIBLE_DEVICES: '',
  };
  beforeAll(() => {
    for (const { mpicc } of mpis)
      execFileSync(process.execPath, [main, 'mpi', 'build', '--mpicc', mpicc], {
        env: { ...process.env, ...environment },
      });
  }, 60_000);
  afterAll(() => rmSync(cache, { recursive: true, force: true }));
  return environment;
}

export interface Ended extends CliResult {
  /** The lines of stdout that are JSON, of all ranks. */
  lines: Record<string, any>[];
  seconds: number;
}

/** The arguments of mpirun for `ranks` ranks, more than there are processors where need be. */
export const ranksOf = ({ name }: Mpi, ranks: number): string[] => [
  '-n',
  String(ranks),
  ...(name === 'openmpi' ? ['--oversubscribe', '--bind-to', 'none'] : []),
];

/** Runs a program; `during` sees every chunk of stdout. */
export async function run(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  during: (stdout: string, child: ChildProcess) => unknown = () => undefined,
): Promise<Ended> {
  const started = performance.now();
  const result = await runProcess(command, args, { env, during });
  return { ...result, lines: linesOf(result.stdout), seconds: (performance.now() - started) / 1000 };
}

/** Whether a process is there and no zombie, which nobody may collect in a container. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** The whole lines of JSON. */
export function linesOf(stdout: string): Record<string, any>[] {
  return stdout.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line) as Record<string, any>] : [];
    } catch {
      return [];
    }
  });
}
