import { setTimeout } from 'node:timers/promises';

/** Waits until something holds; whether it did by `late`, a moment of `performance.now()`, 10 s from now by default. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  late = performance.now() + 10_000,
): Promise<boolean> {
  while (!(await holds())) {
    if (performance.now() >= late) return false;
    await setTimeout(10);
  }
  return true;
}
