// The command line as a whole: its commands, how mistakes are reported, and what the process answers.
import { Command } from 'commander';
import { addBench } from './commands/bench';
import { addCompletion } from './commands/completion';
import { addData } from './commands/data';
import { addDoctor } from './commands/doctor';
import { addExport } from './commands/exchange/export';
import { addGenes } from './commands/exchange/genes';
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
import { addResume, addTrain } from './commands/train';
import { exitStatus, report } from './report';
import { nameOption } from './usage';
import { packageVersion } from '../native/version';

/** Every command, in the order of the help. Its module is loaded when it is added. */
const commands: Record<string, (program: Command) => void> = {
  train: (program) => addTrain(program),
  resume: (program) => addResume(program),
  eval: (program) => addEval(program),
  predict: (program) => addPredict(program),
  energy: (program) => addEnergy(program),
  simulate: (program) => addSimulate(program),
  compare: (program) => addCompare(program),
  report: (program) => addReport(program),
  watch: (program) => addWatch(program),
  show: (program) => addShow(program),
  export: (program) => addExport(program),
  import: (program) => addImport(program),
  genes: (program) => addGenes(program),
  serve: (program) => addServe(program),
  models: (program) => addModels(program),
  sweep: (program) => addSweep(program),
  evolve: (program) => addEvolve(program),
  mpi: (program) => addMpi(program),
  data: (program) => addData(program),
  bench: (program) => addBench(program),
  presets: (program) => addPresets(program),
  doctor: (program) => addDoctor(program),
  completion: (program) => addCompletion(program, buildProgram),
};

/**
 * The program with all commands, or with one alone. Mistakes are thrown, not printed: `run` reports them all in one
 * way.
 */
export function buildProgram(only?: string): Command {
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
  for (const [name, add] of Object.entries(commands)) if (only === undefined || only === name) add(program);
  for (const command of everyCommand(program)) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({ outputError: () => undefined });
    command.options.forEach(nameOption);
  }
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap((child) => everyCommand(child as Command))];
}

/** Runs a command line (without node and script) and returns the exit status. */
export async function run(args: readonly string[]): Promise<number> {
  const [first = ''] = args;
  const program = buildProgram(isCommand(first) ? first : undefined);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitStatus.success;
  } catch (error) {
    return report(error, args, helpTarget);
  }
}

function isCommand(word: string): boolean {
  return Object.hasOwn(commands, word);
}

function helpTarget(command: string | undefined): string {
  return command !== undefined && isCommand(command) ? `${command} ` : '';
}
