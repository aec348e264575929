// What ends a command from outside: signals of people, schedulers and limits, and outputs that can no longer be
// written.
import { isOneSpikeError, OneSpikeError } from '../errors';
import { ioError } from '../io/system-error';
import type { Output } from './output';
import type { TimeLimit } from './time-limit';

/** Exit status of a command that was interrupted. */
export const INTERRUPTED_STATUS = 130;

// npm forwards a Ctrl-C to a program that the terminal has signalled already; a person needs longer for a second one.
const ECHO_MILLISECONDS = 300;

/** Signals of which a second one leaves at once. */
const urgent = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/**
 * Signals that announce the end: schedulers send USR1 or USR2 some time before it, the kernel XCPU every second once
 * CPU time is used up.
 */
const announcing = ['SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const;

/**
 * Whether SIGUSR1 came before the first line of this program, while Node.js was starting: the debugger is open then
 * though no option asks for it. It is closed again.
 */
export function signalCameEarly(): boolean {
  if ([...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) => option.includes('--inspect')))
    return false;
  try {
    const inspector = require('node:inspector') as typeof import('node:inspector');
    if (inspector.url() === undefined) return false;
    inspector.close();
    return true;
  } catch {
    return false; // a Node.js without a debugger
  }
}

/** What a person is told at the first signal; null where another process says so. */
type Advice = string | null;
/** Where the work saves before it ends. */
const savingAdvice = 'Stopping; interrupt again to leave at once without saving.';

/** The longest time that a timer of Node.js takes: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The signal fires on a signal of the system, when nobody reads stdout any more, when stdout or stderr cannot be
 * written, or at the time limit. `release` stops listening.
 */
export function listenForInterrupt(
  output: Output,
  advice: Advice = savingAdvice,
  limit?: TimeLimit,
): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  let first = 0;
  const stop = (reason?: unknown): void => {
    if (first !== 0) return;
    first = performance.now();
    controller.abort(reason);
  };
  const onAnnounced = (name: NodeJS.Signals): void => {
    if (first === 0) output.note(`Stopping after ${name}.`);
    stop();
  };
  const onUrgent = (): void => {
    if (first === 0) {
      if (advice !== null) output.note(advice);
      stop();
    } else if (performance.now() - first > ECHO_MILLISECONDS) {
      output.clear();
      process.exit(INTERRUPTED_STATUS);
    }
  };
  const onLimit = (): void => {
    if (first === 0) output.note(`Stopping: ${limit?.reason}.`);
    stop();
  };
  const onFailure = (name: 'stdout' | 'stderr') => (error: NodeJS.ErrnoException) =>
    stop(error.code === 'EPIPE' ? undefined : ioError('write to', name, error));
  const timer = limit && setTimeout(onLimit, Math.min(Math.max(limit.milliseconds, 1), LONGEST_TIMER)).unref();
  for (const name of urgent) process.on(name, onUrgent);
  for (const name of announcing) process.on(name, onAnnounced);
  process.stdout.on('error', onFailure('stdout'));
  process.stderr.on('error', onFailure('stderr'));
  return {
    signal: controller.signal,
    // The listeners of the outputs stay: what was written may fail later.
    release: () => {
      clearTimeout(timer);
      for (const name of urgent) process.off(name, onUrgent);
      for (const name of announcing) process.off(name, onAnnounced);
    },
  };
}

/**
 * Work that signals may interrupt; `interrupted` tells a person how it goes on. Where an output that cannot be written
 * is the reason, the error is that of the output, followed by what the work says of its interruption.
 */
export async function interruptible<T>(
  output: Output,
  work: (signal: AbortSignal) => Promise<T>,
  { advice, interrupted, limit }: { advice?: Advice; interrupted?: string; limit?: TimeLimit | undefined } = {},
): Promise<T> {
  const { signal, release } = listenForInterrupt(output, advice, limit);
  try {
    return await work(signal);
  } catch (error) {
    if (!isOneSpikeError(error) || error.code !== 'ERR_ABORTED') throw error;
    const { reason } = signal;
    if (reason instanceof OneSpikeError)
      throw new OneSpikeError(reason.code, `${reason.message}. ${error.message}`, { cause: error });
    throw interrupted === undefined ? error : new OneSpikeError(error.code, interrupted, { cause: error });
  } finally {
    output.clear();
    release();
  }
}
