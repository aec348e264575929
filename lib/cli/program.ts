/** The command line as a whole: its commands, how mistakes are reported, and what the process answers. */
import { Command } from 'commander';
import { addBench } from './commands/bench';
import { addCompletion } from './commands/completion';
import { addData } from './commands/data';
import { addDoctor } from './commands/doctor';
import { addExport } from './commands/exchange/export';
import { addImport } from './commands/exchange/import';
import { addPresets } from './commands/presets';
import { addReport } from './commands/pictures/report';
import { addModels } from './commands/models/models';
import { addPredict } from './commands/models/predict';
import { addServe } from './commands/models/serve';
import { addEnergy, addEval } from './commands/run';
import { addShow } from './commands/pictures/show';
import { addWatch } from './commands/pictures/watch';
import { addCompare } from './commands/codes/compare';
import { addSimulate } from './commands/codes/simulate';
import { addEvolve } from './commands/cluster/evolve';
import { addMpi } from './commands/cluster/mpi';
import { addSweep } from './commands/cluster/sweep';
import { addTrain } from './commands/train';
import { exitStatus, report } from './report';
import { packageVersion } from '../native/version';

/** The commands. Mistakes are thrown, not printed: `run` reports them all in one way. */
export function buildProgram(): Command {
  const program = new Command('onespike')
    .description('train and run deep spiking networks whose neurons fire at most once')
    .version(packageVersion(), '-v, --version')
    .helpOption('-h, --help', 'show help')
    .addHelpText(
      'after',
      `
Start here:
  $ onespike train              train a small network on the embedded images
  $ onespike doctor             see what this machine offers

Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted (a training run is saved).`,
    );
  addTrain(program);
  addEval(program);
  addPredict(program);
  addEnergy(program);
  addSimulate(program);
  addCompare(program);
  addReport(program);
  addWatch(program);
  addShow(program);
  addExport(program);
  addImport(program);
  addServe(program);
  addModels(program);
  addSweep(program);
  addEvolve(program);
  addMpi(program);
  addData(program);
  addBench(program);
  addPresets(program);
  addDoctor(program);
  addCompletion(program);
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({ outputError: () => undefined });
  }
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child as Command))];
}

/** Runs a command line (without node and script) and returns the exit status. */
export async function run(args: readonly string[]): Promise<number> {
  const program = buildProgram();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitStatus.success;
  } catch (error) {
    return report(error, args, helpTarget);
  }
}

function helpTarget(command: string | undefined): string {
  const known = buildProgram().commands.some((candidate) => candidate.name() === command);
  return known ? `${command} ` : '';
}
