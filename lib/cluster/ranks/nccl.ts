// The GPUs of the ranks, which NCCL links where each rank has one of its own.
import { isOneSpikeError } from '../../errors';
import { ncclVersion } from '../../native/communicator';
import type { GradientExchange } from '../../train/run/events';
import type { DealingRanks } from './devices';

/** Where a rank computes: the backend, and the number of its GPU. */
export interface RankPlacement {
  backend: string;
  device: number | null;
}

/** What a rank tells the others before. */
interface RankGpu extends RankPlacement {
  host: string;
  visible: string;
  wanted: boolean;
}

/** The library that is loaded: NCCL of the system, or that which ONESPIKE_NCCL names; null for `off`. */
function ncclLibrary(): string | null {
  const { ONESPIKE_NCCL: named } = process.env;
  if (named === 'off') return null;
  return named || 'libnccl.so.2';
}

const byMpi = (reason: string): GradientExchange => ({ engine: 'mpi', version: null, reason });

/**
 * Decides how the ranks add their gradients; every rank makes this call and has the same answer. `link` starts NCCL on
 * the GPU of this rank, as `Communicator.link`. Errors: ERR_IO, naming a rank that is silent.
 */
export async function linkGpus(
  ranks: DealingRanks & { name(rank: number): string },
  { backend, device }: RankPlacement,
  link: (device: number, library: string) => Promise<string>,
): Promise<GradientExchange> {
  const library = ncclLibrary();
  const visible = process.env.CUDA_VISIBLE_DEVICES ?? '';
  const own: RankGpu = { host: ranks.hosts[ranks.rank]!, visible, backend, device, wanted: library !== null };
  const all = (await ranks.gatherText(JSON.stringify(own))).map((text) => JSON.parse(text) as RankGpu);
  const reason = whyNot(all, (rank) => ranks.name(rank));
  if (reason !== undefined || device === null || library === null) return byMpi(reason ?? '');
  try {
    return { engine: 'nccl', version: await link(device, library), reason: '' };
  } catch (error) {
    if (isOneSpikeError(error) && error.code === 'ERR_NO_BACKEND') return byMpi(error.message);
    throw error;
  }
}

/** Why these ranks cannot be linked; undefined if they may be. */
function whyNot(all: readonly RankGpu[], name: (rank: number) => string): string | undefined {
  const onCpu = all.findIndex(({ backend }) => backend !== 'cuda');
  if (onCpu >= 0)
    return all.some(({ backend }) => backend === 'cuda') ? `${name(onCpu)} computes on the CPU` : 'no GPU is used';
  const off = all.findIndex(({ wanted }) => !wanted);
  if (off >= 0) return `ONESPIKE_NCCL is off on ${name(off)}`;
  const gpus = all.map(({ host, visible, device }) => JSON.stringify([host, visible, device]));
  const second = gpus.findIndex((gpu, rank) => gpus.indexOf(gpu) < rank);
  if (second >= 0) return `${name(gpus.indexOf(gpus[second]!))} and ${name(second)} share GPU ${all[second]!.device}`;
  return undefined;
}

/** Whether there is an NCCL here, as `onespike doctor` says it. */
export interface NcclState {
  /** Whether a library loads that has what is needed. */
  available: boolean;
  /** Its version, such as '2.28.3'; null without one. */
  version: string | null;
  /** The library: a path, or the name that the system looks for; null where ONESPIKE_NCCL is off. */
  library: string | null;
  /** Why none is available; empty if one is. */
  reason: string;
}

/** Loads the library; asks no GPU. */
export function ncclState(): NcclState {
  const library = ncclLibrary();
  const none = { available: false, version: null, library };
  if (library === null) return { ...none, reason: 'ONESPIKE_NCCL is off' };
  try {
    return { available: true, version: ncclVersion(library), library, reason: '' };
  } catch (error) {
    return { ...none, reason: error instanceof Error ? error.message : String(error) };
  }
}
