// Two clocks that start together: on a machine that is busy with other work, the CPU time says what a run costs.

/** A stretch of time. */
export interface Elapsed {
  /** The wall time in seconds. */
  seconds: number;
  /** The CPU time of the process, all its threads together, in seconds. */
  cpuSeconds: number;
}

/** Returns a function that says how much time has passed since this call. */
export function startStopwatch(): () => Elapsed {
  const wall = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - wall) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}

/** The sum of two stretches. */
export function addElapsed(a: Readonly<Elapsed>, b: Readonly<Elapsed>): Elapsed {
  return { seconds: a.seconds + b.seconds, cpuSeconds: a.cpuSeconds + b.cpuSeconds };
}
