// How long the event loop is blocked while something asynchronous runs.
import { closeSync, openSync, readSync } from 'node:fs';

/** Milliseconds that this thread has computed so far; those it has waited for a core are not among them. */
function clock(): { now: () => number; close: () => void } {
  let file: number;
  try {
    file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  } catch {
    return { now: () => performance.now(), close: () => undefined }; // a kernel without statistics: wall time
  }
  const text = Buffer.alloc(64);
  const now = (): number => Number.parseInt(text.toString('latin1', 0, readSync(file, text, 0, 64, 0)), 10) / 1e6;
  return { now, close: () => closeSync(file) };
}

/**
 * The longest turn of the event loop during `work`, in milliseconds of computing: on a machine that others use as well,
 * wall time tells of them rather than of the work.
 */
export async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  const { now, close } = clock();
  let longest = 0;
  let last = now();
  const turn = (): void => {
    const time = now();
    longest = Math.max(longest, time - last);
    last = time;
  };
  const timer = setInterval(turn, 1);
  try {
    await work();
    turn();
    return longest;
  } finally {
    clearInterval(timer);
    close();
  }
}
