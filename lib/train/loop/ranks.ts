/** The ranks that train one network together, as lib/train sees them. */
import { expected } from '../../check';
import { OneSpikeError } from '../../errors';
import type { CommunicatorHandle } from '../../native/network';
import type { TrainConfig } from '../config/config';

/** One rank's connection to the others. Every rank makes the same calls in the same order; each waits for all of them. */
export interface Ranks {
  /** This process among the ranks, from 0 on. */
  readonly rank: number;
  /** The number of ranks. */
  readonly size: number;
  /** The connection as native training steps take it. */
  readonly handle: CommunicatorHandle;
  /** The bytes of rank 0, whatever the others give. Errors: ERR_IO, naming a rank that is silent. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
  /** The bytes of every rank, in their order. Errors: as of `broadcast`. */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Resolves once every rank has called it. Errors: as of `broadcast`. */
  barrier(): Promise<void>;
  /** Whether the flag of any rank is true. Errors: as of `broadcast`. */
  any(flag: boolean): Promise<boolean>;
  /** Resolves if every rank has the same value. Errors: ERR_STATE, naming a rank with another one; as of `broadcast`. */
  agree(what: string, value: string): Promise<void>;
}

/** The shards of a run that more than one rank trains, where its configuration does not say. */
const DEFAULT_SHARDS = 8;

/** Which shards a rank computes: from `first` up to `end`. */
export function ownShards(shards: number, ranks: Pick<Ranks, 'rank' | 'size'> | null): { first: number; end: number } {
  const { rank, size } = ranks ?? { rank: 0, size: 1 };
  return { first: Math.floor((shards * rank) / size), end: Math.floor((shards * (rank + 1)) / size) };
}

/**
 * The configuration of a new run as these ranks train it: with shards where it has none.
 * Errors: ERR_ARG for fewer shards than ranks, and for what only one process can do.
 */
export function configForRanks(config: TrainConfig, ranks: Ranks | null): TrainConfig {
  if (ranks === null) return config;
  const { minutes } = config;
  if (minutes !== undefined) throw expected(`no minutes with ${ranks.size} ranks`, 'minutes', minutes);
  let least = DEFAULT_SHARDS;
  while (least < ranks.size) least *= 2;
  const shards = config.shards ?? least;
  checkRanks(shards, ranks);
  return { ...config, shards };
}

/** Errors: ERR_ARG for a run without shards, or with fewer than there are ranks. */
export function checkRanks(shards: number | null, ranks: Ranks | null): void {
  if (ranks === null) return;
  if (shards === null)
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected one process for this run, which has no shards, but received ${ranks.size} ranks: only a run that was ` +
        'started with shards can be divided',
    );
  if (shards < ranks.size) throw expected(`at least ${ranks.size} (one for each rank)`, 'shards', shards);
}

/** Whether results round as those of one process do: a power of two of ranks. */
export function roundsAlike({ size }: Pick<Ranks, 'size'>): boolean {
  return Number.isInteger(Math.log2(size));
}
