// Starts ranks on this machine: `--ranks N`.
import { spawn } from 'node:child_process';
import { OneSpikeError } from '../../errors';
import { installAdvice } from './build';
import { libraryFor, type MpiBuild } from './library';

/** Program and arguments that start `ranks` times `command`. */
function commandLine(
  { implementation, mpirun }: MpiBuild,
  ranks: number,
  command: readonly string[],
): [string, string[]] {
  if (mpirun === null)
    throw new OneSpikeError(
      'ERR_NO_BACKEND',
      `Expected mpirun beside the mpicc of ${implementation} but received none: ${installAdvice}`,
    );
  // Threads are divided by onespike, and more ranks than processors are slow but right.
  const flags = implementation.startsWith('openmpi-') ? ['--bind-to', 'none', '--oversubscribe'] : [];
  return [mpirun, ['-n', String(ranks), ...flags, ...command]];
}

/**
 * Starts this program in `ranks` processes, and answers the exit status of mpirun at their end. The signal lets them
 * save; they end at once when this process does. Errors: ERR_NO_BACKEND.
 */
export async function launchRanks(ranks: number, args: readonly string[], signal: AbortSignal): Promise<number> {
  const build = await libraryFor('any');
  const [program, words] = commandLine(build, ranks, [
    process.execPath,
    ...process.execArgv,
    process.argv[1]!,
    ...args,
  ]);
  const child = spawn(program, words, {
    // A group of its own: a Ctrl-C of the terminal would reach mpirun, too, which leaves the ranks a second to end.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      ONESPIKE_MPI: build.library,
      // Open MPI asks root whether that is meant; who started this program as root has answered.
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    },
  });
  // Every mpirun passes this signal on and goes on waiting.
  const stop = (): void => void child.kill('SIGUSR1');
  const leave = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  process.once('exit', leave);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (error) =>
        reject(new OneSpikeError('ERR_NO_BACKEND', `Cannot start ${program}: ${error.message}`, { cause: error })),
      );
      child.on('exit', (code) => resolve(code ?? 1));
    });
  } finally {
    process.off('exit', leave);
    signal.removeEventListener('abort', stop);
  }
}
