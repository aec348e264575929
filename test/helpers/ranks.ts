// Ranks that are one process: stand-ins for the connection that an MPI gives.

/** The calls `gather` of so many ranks, each of which has the bytes of all once all have called it. */
export function gatherers(size: number): ((bytes: Uint8Array) => Promise<Uint8Array[]>)[] {
  let waiting: { bytes: Uint8Array; resolve: (all: Uint8Array[]) => void }[] = [];
  return Array.from(
    { length: size },
    (_, rank) => (bytes: Uint8Array) =>
      new Promise<Uint8Array[]>((resolve) => {
        waiting[rank] = { bytes: bytes.slice(), resolve };
        if (waiting.filter(Boolean).length < size) return;
        const all = waiting;
        waiting = [];
        for (const other of all) other.resolve(all.map((each) => each.bytes.slice()));
      }),
  );
}

/** Work of so many ranks at the same time. */
export function onEveryRank<T>(
  size: number,
  work: (ranks: { rank: number; size: number; gather: (bytes: Uint8Array) => Promise<Uint8Array[]> }) => Promise<T>,
): Promise<T[]> {
  return Promise.all(gatherers(size).map((gather, rank) => work({ rank, size, gather })));
}
