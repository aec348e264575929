// How a command that fails says so, and what its process answers.
import { CommanderError } from 'commander';
import { isOneSpikeError } from '../errors';
import { INTERRUPTED_STATUS } from './interrupt';
import { failureOf } from './outputs';
import { paintFor } from './style';
import { UsageError } from './usage';

export const exitStatus = { success: 0, failure: 1, usage: 2, interrupted: INTERRUPTED_STATUS } as const;

/** The end of a process that another one speaks for: an exit status, and no message. */
export class QuietExit extends Error {
  constructor(readonly status: number) {
    super(`exit status ${status}`);
  }
}

/**
 * One line and a hint on stderr; with --json an error object on stdout as well. `helpTarget` is the command whose help
 * is worth reading. Returns the exit status.
 */
export function report(
  error: unknown,
  args: readonly string[],
  helpTarget: (command: string | undefined) => string = () => '',
): number {
  if (error instanceof QuietExit) return error.status;
  // Commander throws for --help and --version too, when it has printed them.
  if (error instanceof CommanderError && error.exitCode === 0) return exitStatus.success;
  // A group of commands without one prints its help by itself.
  if (error instanceof CommanderError && error.code === 'commander.help') return exitStatus.usage;
  const usage = isUsage(error);
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
  return statusOf(error);
}

/** The exit status of a command that an error has ended. */
export function statusOf(error: unknown): number {
  if (isOneSpikeError(error) && error.code === 'ERR_ABORTED') return exitStatus.interrupted;
  return isUsage(error) ? exitStatus.usage : exitStatus.failure;
}

const isUsage = (error: unknown): boolean => error instanceof UsageError || error instanceof CommanderError;

/** What the operating system refused: its message says enough without a stack trace. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
