/** Ctrl-C: the first asks the work to stop and save, the second ends the process at once. */
import type { Output } from './output';

/** Exit status of a command that was interrupted. */
export const interruptedStatus = 130;

// npm passes a Ctrl-C on to a program that has had it from the terminal already; a person takes longer for a second one.
const echoMilliseconds = 300;

/** The signal fires on SIGINT, SIGTERM or SIGHUP, or when nobody reads stdout any more. `release` stops listening. */
export function listenForInterrupt(output: Output): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  let first = 0;
  const onSignal = (): void => {
    if (first === 0) {
      first = performance.now();
      output.note('Stopping; interrupt again to leave at once without saving.');
      controller.abort();
    } else if (performance.now() - first > echoMilliseconds) {
      output.clear();
      process.exit(interruptedStatus);
    }
  };
  const onClosed = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  process.stdout.on('error', onClosed);
  return {
    signal: controller.signal,
    // The listener of stdout stays: what was written may fail later.
    release: () => signals.forEach((name) => process.off(name, onSignal)),
  };
}
