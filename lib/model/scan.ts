// Passes over millions of numbers on the JS thread, in pieces between which the event loop turns.
import { setImmediate } from 'node:timers/promises';
import { OneSpikeError } from '../errors';

// Numbers between two readings of the clock: 0.1 ms of compiled code, but 3 ms in the first pass of a process, which V8
// interprets.
const CHUNK = 2 ** 16;
const MOST_MILLISECONDS = 4;

/** Work that gives way to the event loop: `due()` is awaited between its pieces. */
export class Pace {
  #since = performance.now();

  constructor(private readonly signal?: AbortSignal) {}

  /**
   * Lets the event loop turn if the work has had it for some milliseconds. Errors: ERR_ABORTED once the signal has
   * fired.
   */
  async due(): Promise<void> {
    if (performance.now() - this.#since < MOST_MILLISECONDS) return;
    await setImmediate();
    if (this.signal?.aborted)
      throw new OneSpikeError('ERR_ABORTED', 'The job was aborted', { cause: this.signal.reason });
    this.#since = performance.now();
  }
}

/** Position of the first number that is not finite, or -1. */
export function firstNonFinite(data: Float32Array, pace: Pace): Promise<number> {
  return scan(data, pace, (begin, end) => {
    for (let i = begin; i < end; i++) if (data[i]! - data[i]! !== 0) return i; // NaN, for all but finite numbers
    return -1;
  });
}

/** Whether all numbers are zero. */
export async function isZero(data: Float32Array, pace: Pace): Promise<boolean> {
  const first = await scan(data, pace, (begin, end) => {
    for (let i = begin; i < end; i++) if (data[i] !== 0) return i;
    return -1;
  });
  return first < 0;
}

/** The number that `table` has for each element. */
export async function lookUp(data: Uint8Array | Uint16Array, table: Float32Array, pace: Pace): Promise<Float32Array> {
  const found = new Float32Array(data.length);
  await scan(data, pace, (begin, end) => {
    for (let i = begin; i < end; i++) found[i] = table[data[i]!]!;
    return -1;
  });
  return found;
}

/** Multiplies all numbers by `factor`, in place. */
export async function multiply(data: Float32Array, factor: number, pace: Pace): Promise<void> {
  await scan(data, pace, (begin, end) => {
    for (let i = begin; i < end; i++) data[i]! *= factor;
    return -1;
  });
}

/** The root of the mean square; 0 of no numbers. */
export async function rootMeanSquare(data: Float32Array, pace: Pace): Promise<number> {
  let squares = 0;
  await scan(data, pace, (begin, end) => {
    for (let i = begin; i < end; i++) squares += data[i]! ** 2;
    return -1;
  });
  return data.length === 0 ? 0 : Math.sqrt(squares / data.length);
}

async function scan(
  data: ArrayLike<number>,
  pace: Pace,
  find: (begin: number, end: number) => number,
): Promise<number> {
  for (let begin = 0; begin < data.length; begin += CHUNK) {
    await pace.due();
    const at = find(begin, Math.min(begin + CHUNK, data.length));
    if (at >= 0) return at;
  }
  return -1;
}
