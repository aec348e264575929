// `mpi`: what connects onespike to the MPI of this machine.
import type { Command } from 'commander';
import { Output } from '../../output';
import { table } from '../../style';

export function addMpi(program: Command): void {
  const group = program.command('mpi').description('training in several processes, by the MPI of this machine');
  group
    .command('build')
    .description('compile the small library between onespike and MPI, with the mpicc of this machine')
    .option('--mpicc <program>', 'the compiler of the MPI (default: mpicc on the PATH)')
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike mpi build
  $ onespike mpi build --mpicc /opt/openmpi-5/bin/mpicc
  $ onespike train vgg9 --ranks 4

Once for every MPI and version, and after an update of onespike; \`onespike doctor\` says what is there.`,
    )
    .action(async ({ mpicc, json }: { mpicc?: string; json?: boolean }) => {
      const output = new Output(json === true);
      const { buildLibrary } = await import('../../../cluster/ranks/build.js');
      const { status, implementation, library, mpirun, mpicc: compiler } = await buildLibrary(mpicc);
      output.event({ event: 'mpi', status, implementation, mpicc: compiler, mpirun, library });
      output.line(
        table(
          [
            ['MPI', implementation],
            ['mpicc', compiler],
            ['mpirun', mpirun ?? 'none beside mpicc: --ranks cannot start it'],
            ['library', `${library}${status === 'present' ? ' (it was there)' : ''}`],
          ],
          [0, 1],
        ),
      );
    });
}
