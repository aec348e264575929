/** Ctrl-C: the first asks the work to stop and save, the second ends the process at once. */
import type { Output } from './output';

/** Exit status of a command that was interrupted. */
export const interruptedStatus = 130;

/** The signal fires on SIGINT or SIGTERM, or when nobody reads stdout any more. `release` stops listening. */
export function listenForInterrupt(output: Output): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) {
      output.clear();
      process.exit(interruptedStatus);
    }
    output.note('Stopping; interrupt again to leave at once without saving.');
    controller.abort();
  };
  const onClosed = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') controller.abort();
    else throw error;
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.stdout.on('error', onClosed);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
