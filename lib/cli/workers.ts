// Child processes that run this program again, each with a share of the work.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { OneSpikeError } from '../errors';
import { INTERRUPTED_STATUS } from './interrupt';

type JsonEvent = { event: string; [key: string]: unknown };

export interface WorkersOptions {
  /** The arguments of each process. */
  args: readonly (readonly string[])[];
  /** Stops them all; they save what they can. */
  signal: AbortSignal;
  onEvent: (event: JsonEvent) => void;
}

/**
 * Starts the processes and waits for the last one. A process that is killed leaves its work to the others.
 * Errors: ERR_ABORTED after the signal; what the first process reports that fails, when all have stopped; ERR_STATE if
 * all were killed.
 */
export async function runWorkers({ args, signal, onEvent }: WorkersOptions): Promise<void> {
  const children: ChildProcess[] = [];
  // A process whose channel is closed stops and saves, as it does when this one is killed.
  const stop = (): void => {
    for (const child of children) if (child.connected) child.disconnect();
  };
  signal.addEventListener('abort', stop, { once: true });
  let failure: OneSpikeError | undefined;
  try {
    const ends = args.map(async (words) => {
      const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...words], {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      });
      children.push(child);
      if (signal.aborted) stop();
      const { code, error } = await endOf(child, onEvent);
      if (code === null || code === 0 || code === INTERRUPTED_STATUS) return code;
      failure ??=
        error ?? new OneSpikeError('ERR_STATE', `Expected the end of a worker but it left with status ${code}`);
      stop();
      return code;
    });
    const codes = await Promise.all(ends);
    if (failure !== undefined) throw failure;
    if (signal.aborted) throw new OneSpikeError('ERR_ABORTED', 'The work was interrupted');
    if (!codes.includes(0))
      throw new OneSpikeError('ERR_STATE', 'Expected at least one worker to come to its end but all were stopped');
  } finally {
    signal.removeEventListener('abort', stop);
    // One that could not be started ends the others too.
    stop();
  }
}

/** The exit status of a process (null if it was killed), and the error that it reported. */
async function endOf(
  child: ChildProcess,
  onEvent: (event: JsonEvent) => void,
): Promise<{ code: number | null; error: OneSpikeError | undefined }> {
  let error: OneSpikeError | undefined;
  const lines = createInterface({ input: child.stdout! });
  const read = new Promise((resolve) => lines.on('close', resolve));
  lines.on('line', (line) => {
    const event = eventOf(line);
    if (event === undefined) return;
    if (event.event === 'error') error = new OneSpikeError(event.code as OneSpikeError['code'], String(event.message));
    else onEvent(event);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    // Not `close`, which never comes once this side has closed the channel.
    child.on('exit', (status) => resolve(status));
  });
  await read;
  return { code, error };
}

/** The event of a line; undefined for half a line, which a process leaves that is killed. */
function eventOf(line: string): JsonEvent | undefined {
  try {
    return JSON.parse(line) as JsonEvent;
  } catch {
    return undefined;
  }
}

/** A signal that fires with `signal`, or when the process that started this one has closed the channel or is gone. */
export function withParent(signal: AbortSignal): { signal: AbortSignal; release: () => void } {
  if (!process.connected) return { signal, release: () => undefined };
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  signal.addEventListener('abort', stop);
  process.once('disconnect', stop);
  process.channel?.unref();
  return {
    signal: controller.signal,
    release: () => {
      signal.removeEventListener('abort', stop);
      process.off('disconnect', stop);
    },
  };
}
