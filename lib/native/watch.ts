// Long native jobs, whose progress is reported while they run.
import { expected } from '../check';
import { OneSpikeError } from '../errors';
import type { NativeNetwork } from './network';

/** How far a long job is. */
export interface JobProgress {
  /** The number of steps done. */
  done: number;
  /** The number of steps in all. */
  total: number;
}

/** A function that is told how far a job is. */
export type OnProgress = (progress: JobProgress) => void;

interface Watch {
  total: number;
  signal: AbortSignal | undefined;
  onProgress: OnProgress | undefined;
}

// Between two reports of progress.
const PROGRESS_MS = 100;

/** Errors: ERR_ARG for what is neither a function nor undefined. */
export function checkProgress(onProgress: unknown): OnProgress | undefined {
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw expected('a function', 'onProgress', onProgress);
  return onProgress as OnProgress | undefined;
}

/**
 * Does work that consists of native jobs, which count their steps, and reports progress meanwhile. `work` hands its
 * signal to every job and calls `passed` with the number of steps behind it once one has ended. An error that
 * `onProgress` throws stops the work and is its error.
 */
export async function watched<T>(
  native: NativeNetwork,
  { total, signal, onProgress }: Watch,
  work: (signal: AbortSignal, passed: (done: number) => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  let before = 0;
  let failure: { error: unknown } | undefined;
  const report = (running: number): void => {
    if (onProgress === undefined || failure !== undefined) return;
    try {
      onProgress({ done: before + running, total });
    } catch (error) {
      failure = { error };
      controller.abort();
    }
  };
  const timer = onProgress && setInterval(() => report(progressOf(native)), PROGRESS_MS);
  try {
    return await work(controller.signal, (done) => {
      before = done;
      report(0);
      if (failure !== undefined) throw failure.error;
    });
  } catch (error) {
    throw failure === undefined ? error : failure.error;
  } finally {
    clearInterval(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** 0 of a network that was disposed meanwhile, whose job ends by itself. */
function progressOf(native: NativeNetwork): number {
  try {
    return native.progress();
  } catch (error) {
    if (error instanceof OneSpikeError) return 0;
    throw error;
  }
}
