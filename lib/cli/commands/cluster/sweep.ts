// `sweep`: a study of many trials, over several processes.
import type { Command } from 'commander';
import { Output } from '../../output';
import { deviceOption, integerOption, parallelOption, UsageError } from '../../usage';
import type { SweepFlags } from './sweep-work';

export function addSweep(program: Command): void {
  program
    .command('sweep')
    .description('train many configurations, compare them, and go on where it was when started again')
    .argument('<study.json>', 'what varies, and how (docs/CLI.md); - is standard input')
    .option('--out <dir>', 'folder of the study (default: sweeps/NAME)')
    .addOption(parallelOption('trials'))
    .option('--threads <n>', 'compute threads of all trials together (default: all cores)', integerOption(1))
    .option('--dry-run', 'list the trials and write nothing')
    .option('--worker', 'take trials of the folder in this process until none is left; on any host that sees it')
    .addOption(deviceOption())
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike sweep rates.json --dry-run
  $ onespike sweep rates.json --max-parallel 4
  $ onespike sweep rates.json --worker --out /shared/rates     in every process that a cluster starts

Killed or interrupted, the same command goes on where it was.`,
    )
    .action(async (file: string, flags: SweepFlags) => {
      const output = new Output(flags.json === true);
      if (flags.worker === true && (flags.maxParallel !== undefined || flags.dryRun === true))
        throw new UsageError('Expected no --max-parallel and no --dry-run beside --worker, which is one process');
      if (flags.worker !== true && flags.device !== undefined)
        throw new UsageError('Expected --device beside --worker alone: a sweep divides the GPUs among its processes');
      // Loaded when it is wanted: the other commands start sooner.
      const { workOnStudy } = await import('./sweep-work.js');
      await workOnStudy(output, file, flags);
    });
}
