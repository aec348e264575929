/** The command line as a whole: its commands, how mistakes are reported, and what the process answers. */
import { Command, CommanderError } from 'commander';
import { isOneSpikeError } from '../errors';
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
import { addSweep } from './commands/cluster/sweep';
import { addTrain } from './commands/train';
import { interruptedStatus } from './interrupt';
import { failureOf } from './outputs';
import { packageVersion } from '../native/version';
import { paintFor } from './style';
import { UsageError } from './usage';

export const exitStatus = { success: 0, failure: 1, usage: 2, interrupted: interruptedStatus } as const;

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
    return report(error, args);
  }
}

/** One line and a hint on stderr; with --json an error object on stdout as well. */
function report(error: unknown, args: readonly string[]): number {
  // Commander throws for --help and --version too, when it has printed them.
  if (error instanceof CommanderError && error.exitCode === 0) return exitStatus.success;
  // A group of commands without one prints its help by itself.
  if (error instanceof CommanderError && error.code === 'commander.help') return exitStatus.usage;
  const usage = error instanceof UsageError || error instanceof CommanderError;
  const command = args.find((arg) => !arg.startsWith('-'));
  const hint =
    error instanceof UsageError && error.hint !== undefined
      ? error.hint
      : usage
        ? `see \`onespike ${helpTarget(command)}--help\``
        : undefined;
  const system = isSystemError(error);
  const code = usage ? 'ERR_ARG' : isOneSpikeError(error) ? error.code : system ? 'ERR_IO' : 'ERR_STATE';
  const message = (error instanceof Error ? error.message : String(error))
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ');
  if (args.includes('--json'))
    process.stdout.write(
      `${JSON.stringify({ event: 'error', code, message, ...(hint === undefined ? {} : { hint }) })}\n`,
    );
  // Where stderr cannot be written, on a full disk for example, the message goes to stdout.
  const stream = failureOf('stderr') === undefined ? process.stderr : process.stdout;
  const paint = paintFor(stream);
  const aborted = code === 'ERR_ABORTED';
  stream.write(`${aborted ? '' : `${paint('red', 'error')} `}${message}${usage || aborted ? '' : ` (${code})`}\n`);
  if (hint !== undefined) stream.write(`${paint('dim', 'hint')}  ${hint}\n`);
  if (!usage && !system && !isOneSpikeError(error) && error instanceof Error && error.stack !== undefined)
    stream.write(`${error.stack}\n`);
  return aborted ? exitStatus.interrupted : usage ? exitStatus.usage : exitStatus.failure;
}

/** What the operating system refused: its message says enough without a stack trace. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

function helpTarget(command: string | undefined): string {
  const known = buildProgram().commands.some((candidate) => candidate.name() === command);
  return known ? `${command} ` : '';
}
