// The ranks that train one network together, as lib/train sees them.
import { checkInteger, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import type { CommunicatorHandle, Network } from '../../model/network';
import { networkHash } from '../../model/parameters';
import { hostInfo } from '../../native/devices';
import { LIMITS } from '../../native/limits';
import { parseConfig, type TrainConfig } from '../config/config';
import type { ImageHashes } from '../run/data-record';
import type { GradientExchange, RunWarning } from '../run/events';
import type { Sharing } from './shares';

/**
 * One rank's connection to the others. Every rank makes the same calls in the same order; each waits for all of them.
 */
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
  /**
   * Resolves if every rank has the same value. Errors: ERR_STATE, naming a rank with another one; as of `broadcast`.
   */
  agree(what: string, value: string): Promise<void>;
  /**
   * Links the GPUs of the ranks for training steps, where that is possible; says how gradients are added from now on,
   * the same on every rank. Errors: as of `broadcast`.
   */
  link(placement: Pick<Network, 'backend' | 'device'>): Promise<GradientExchange>;
}

/** The shards of a run that ranks train, where its configuration does not say; more where there are more ranks. */
export const DEFAULT_SHARDS = 8;

/** Errors: ERR_ARG for anything but the connection of a rank. */
export function checkConnected(ranks: unknown): Ranks {
  if (typeof ranks !== 'object' || ranks === null) throw expected('the connection of a rank', 'ranks', ranks);
  const { rank, size } = ranks as Partial<Ranks>;
  const whole = checkInteger(size, 'ranks.size', LIMITS.shards);
  checkInteger(rank, 'ranks.rank', { min: 0, max: whole - 1 });
  return ranks as Ranks;
}

/**
 * The configuration of a new run as these ranks train it: with shards where it has none.
 * Errors: ERR_ARG for fewer shards than ranks, batches that they do not divide, and what only one process can do.
 */
export function configForRanks(config: TrainConfig, ranks: Ranks | null): TrainConfig {
  if (ranks === null) return config;
  const { minutes } = config;
  if (minutes !== undefined) throw expected(`no minutes with ${ranks.size} ranks`, 'minutes', minutes);
  let least = DEFAULT_SHARDS;
  while (least < ranks.size) least *= 2;
  const shards = config.shards ?? least;
  checkRanks(shards, ranks);
  return parseConfig({ ...config, shards });
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

/** What a run warns of whose number of ranks is no power of two. */
export function roundingWarnings(ranks: Ranks | null): RunWarning[] {
  if (ranks === null || Number.isInteger(Math.log2(ranks.size))) return [];
  const message = `${ranks.size} ranks are no power of two: results round otherwise than those of 1, 2, 4, ... ranks`;
  return [{ event: 'warning', code: 'RANKS_ROUND_OTHERWISE', message }];
}

/** Refuses ranks that would train something else. Errors: ERR_STATE, naming a rank that differs. */
export async function agreeOnRun(ranks: Ranks | null, config: TrainConfig, hash: ImageHashes): Promise<void> {
  if (ranks === null) return;
  const { threads: _threads, device: _device, out: _out, ...rest } = config;
  const { directory: _directory, ...dataset } = rest.dataset;
  await ranks.agree('the version', hostInfo().version);
  await ranks.agree('the configuration', JSON.stringify({ ...rest, dataset }));
  await ranks.agree('the images', JSON.stringify(hash));
}

/** Refuses ranks whose networks differ before the first step. Errors: ERR_STATE, naming a rank that differs. */
export async function agreeOnNetwork(ranks: Ranks | null, network: Network): Promise<void> {
  if (ranks === null) return;
  const { backend, precision } = network;
  const parameters = await networkHash(network.description, await network.parameters());
  await ranks.agree('the network', JSON.stringify({ backend, precision, parameters }));
}

/** What the ranks of a run do and decide together; of one process each of these is its own. */
export class Together {
  /** How the ranks add their gradients; null for one process, and until `link`. */
  exchange: GradientExchange | null = null;

  constructor(
    readonly ranks: Ranks | null,
    private readonly folder: { lost: boolean },
  ) {}

  /** Whether this process reads and writes the files of the run. */
  get leads(): boolean {
    return this.ranks === null || this.ranks.rank === 0;
  }

  /** The ranks as those that divide work among themselves; null for one process. */
  get sharing(): Sharing | null {
    const { ranks } = this;
    if (ranks === null) return null;
    return { rank: ranks.rank, size: ranks.size, gather: (bytes) => this.all(ranks.gather(bytes)) };
  }

  /** Links the GPUs of the ranks, on which this network and its successors compute. */
  async link({ backend, device }: Network): Promise<void> {
    if (this.ranks !== null) this.exchange = await this.all(this.ranks.link({ backend, device }));
  }

  /** Whether something holds on any rank. */
  async any(holds: boolean): Promise<boolean> {
    return this.ranks === null ? holds : this.all(this.ranks.any(holds));
  }

  /** Work of every rank at the same time. If it fails, the ranks have lost each other: nothing is saved any more. */
  async all<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.folder.lost ||= this.ranks !== null;
      throw error;
    }
  }
}
