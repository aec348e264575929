// Which GPU of its host each rank computes on.
import { deviceCount, hostInfo, probeDevice } from '../../native/devices';

/** What a rank tells the others of its GPUs. */
export interface RankDevices {
  host: string;
  /** CUDA_VISIBLE_DEVICES: ranks that see other GPUs share none, though the numbers are the same. */
  visible: string;
  /** The number of GPUs that the rank sees. */
  count: number;
  /** Whether the GPUs that the rank has probed are usable. */
  probed: [device: number, usable: boolean][];
}

/** The part of `MpiRanks` that dealing needs. */
export interface DealingRanks {
  readonly rank: number;
  readonly hosts: readonly string[];
  gatherText(text: string): Promise<string[]>;
}

/** What one process finds out about its GPUs. */
export interface Gpus {
  count(): number;
  usable(device: number): boolean;
}

const ownGpus: Gpus = { count: () => (hostInfo().binaryCuda ? deviceCount() : 0), usable: probeDevice };

/**
 * The GPU of this rank: the usable ones of a host are dealt out to its ranks in turn. Undefined where there is none,
 * and for the backend `cpu`. Every rank makes this call. A probe takes memory of its GPU, so a rank probes one that no
 * other rank has probed, and another one only if that was not usable.
 */
export async function dealDevice(
  ranks: DealingRanks,
  backend: string,
  gpus: Gpus = ownGpus,
): Promise<number | undefined> {
  const own: RankDevices = {
    host: ranks.hosts[ranks.rank]!,
    visible: process.env.CUDA_VISIBLE_DEVICES ?? '',
    count: backend === 'cpu' ? 0 : gpus.count(),
    probed: [],
  };
  for (;;) {
    const all = (await ranks.gatherText(JSON.stringify(own))).map((text) => JSON.parse(text) as RankDevices);
    const next = all.map((_, rank) => nextProbe(all, rank));
    if (next.every((device) => device === undefined)) return dealt(all, ranks.rank);
    const device = next[ranks.rank];
    if (device !== undefined) own.probed.push([device, gpus.usable(device)]);
  }
}

/** The ranks that choose among the same GPUs as one of them, and what they know of these. */
function sharing(all: readonly RankDevices[], rank: number): { place: number; usable: number[]; unknown: number[] } {
  const { host, visible, count } = all[rank]!;
  const same = (other: RankDevices): boolean =>
    other.host === host && other.visible === visible && other.count === count;
  const probed = new Map(all.filter(same).flatMap((other) => other.probed));
  const devices = Array.from({ length: count }, (_, device) => device);
  return {
    place: all.slice(0, rank).filter(same).length,
    usable: devices.filter((device) => probed.get(device)),
    unknown: devices.filter((device) => !probed.has(device)),
  };
}

/** The GPU that a rank probes next; undefined once it has one, or there are no more. */
function nextProbe(all: readonly RankDevices[], rank: number): number | undefined {
  const { place, usable, unknown } = sharing(all, rank);
  return place < usable.length ? undefined : unknown[place - usable.length];
}

function dealt(all: readonly RankDevices[], rank: number): number | undefined {
  const { place, usable } = sharing(all, rank);
  return usable.length === 0 ? undefined : usable[place % usable.length];
}
