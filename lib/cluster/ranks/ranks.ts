// The ranks that an MPI has started, as training sees them, and their common end.
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrorCode, isOneSpikeError, OneSpikeError, type ErrorCode } from '../../errors';
import { type Communicator, otherRankFailed } from '../../native/communicator';
import type { Ranks } from '../../train/loop/ranks';
import type { GradientExchange } from '../../train/run/events';
import { differenceOf } from './difference';
import { guardLauncher } from './guard';
import { linkGpus, type RankPlacement } from './nccl';

/** Bytes of one broadcast: more go in several. */
const PIECE_BYTES = 2 ** 28;
/** Last words are texts of a fixed length. */
const WORD_BYTES = 2048;
/** How long the others leave rank 0 to report: mpirun may end all ranks once one of them has left. */
const REPORT_MILLISECONDS = 500;
/** How long the launcher has to pass on a report before all ranks are ended: MPICH's drops what it still holds. */
const FORWARD_MILLISECONDS = 200;
/** How long an MPI that was told to end all ranks may take before this process ends alone. */
const ABORT_MILLISECONDS = 3000;

/** What a rank says at its end. `own` is false where it ends because another one has failed. */
interface LastWords {
  own: boolean;
  code: ErrorCode;
  message: string;
}

export class MpiRanks implements Ranks {
  readonly rank: number;
  readonly size: number;
  readonly hosts: readonly string[];
  readonly #communicator: Communicator;

  constructor(communicator: Communicator) {
    this.#communicator = communicator;
    const { rank, size, hosts } = communicator.place;
    this.rank = rank;
    this.size = size;
    this.hosts = hosts;
  }

  get handle(): Communicator['handle'] {
    return this.#communicator.handle;
  }

  /** A rank in words: its number and its host. */
  name(rank: number): string {
    return `rank ${rank} (${this.hosts[rank]})`;
  }

  async broadcast(bytes: Uint8Array): Promise<Uint8Array> {
    const [length] = numbersOf(await this.#communicator.broadcast(bytesOf(bytes.length)));
    const all = new Uint8Array(length!);
    for (let at = 0; at < all.length; at += PIECE_BYTES) {
      const end = Math.min(at + PIECE_BYTES, all.length);
      const piece = this.rank === 0 ? bytes.subarray(at, end) : all.subarray(at, end);
      all.set(await this.#communicator.broadcast(piece), at);
    }
    return all;
  }

  async gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    const lengths = numbersOf(await this.#communicator.gather(bytesOf(bytes.length)));
    const most = Math.max(...lengths);
    const padded = new Uint8Array(most);
    padded.set(bytes);
    const all = most === 0 ? padded : await this.#communicator.gather(padded);
    return lengths.map((length, rank) => all.slice(rank * most, rank * most + length));
  }

  /** One text of every rank. */
  async gatherText(text: string): Promise<string[]> {
    const decoder = new TextDecoder();
    return (await this.gather(new TextEncoder().encode(text))).map((bytes) => decoder.decode(bytes));
  }

  barrier(): Promise<void> {
    return this.#communicator.barrier();
  }

  async any(flag: boolean): Promise<boolean> {
    return (await this.#communicator.gather(Uint8Array.of(flag ? 1 : 0))).includes(1);
  }

  async agree(what: string, value: string): Promise<void> {
    const values = await this.gatherText(value);
    const names = values.map((_, rank) => this.name(rank));
    const difference = differenceOf(what, values, names);
    if (difference !== undefined) throw new OneSpikeError('ERR_STATE', difference);
  }

  link(placement: RankPlacement): Promise<GradientExchange> {
    return linkGpus(this, placement, (device, library) => this.#communicator.link(device, library));
  }

  /** Ends MPI, once all ranks have come this far. */
  close(): Promise<void> {
    return this.#communicator.close();
  }

  /**
   * The end of a rank by an error: all ranks are told, and end as well. Returns the error that rank 0 reports for all
   * of them; null on the other ranks.
   * A rank that is silent ends all by force: then whoever notices first reports it, by `report`, and nothing returns.
   */
  async end(error: unknown, report: (error: unknown) => void): Promise<unknown> {
    const words = wordsOf(error);
    const all = await this.#lastWords(words).catch(() => undefined);
    if (all === undefined) return this.#endByForce(error, report);
    // What all have met alike, an interruption above all, is a common end.
    if (all.every(({ own, code }) => own && code === words.code)) await this.close().catch(() => undefined);
    if (this.rank !== 0) {
      await sleep(REPORT_MILLISECONDS);
      return null;
    }
    const first = all.findIndex(({ own }) => own);
    if (first <= 0) return error;
    const { code, message } = all[first]!;
    return new OneSpikeError(code, `${this.name(first)}: ${message}`, { cause: error });
  }

  async #lastWords(words: LastWords): Promise<LastWords[]> {
    const text = new TextEncoder().encode(JSON.stringify(words));
    const padded = new Uint8Array(WORD_BYTES);
    padded.set(text.subarray(0, WORD_BYTES));
    const all = await this.#communicator.lastWords(padded);
    return Array.from({ length: this.size }, (_, rank) =>
      parseWords(all.subarray(rank * WORD_BYTES, (rank + 1) * WORD_BYTES)),
    );
  }

  /**
   * Those that notice a silent rank do so at once: the first one reports it and ends the others, which had said the
   * same.
   */
  async #endByForce(error: unknown, report: (error: unknown) => void): Promise<never> {
    await sleep(Math.min(this.rank, 5) * 2 * FORWARD_MILLISECONDS);
    const { code, message } = wordsOf(error);
    report(new OneSpikeError(code, `${this.name(this.rank)}: ${message}`, { cause: error }));
    await sleep(FORWARD_MILLISECONDS);
    if (new Set(this.hosts).size > 1) guardLauncher();
    this.#communicator.abort();
    await sleep(ABORT_MILLISECONDS);
    // An MPI that cannot reach the others may wait for ever, and so would the end of this process for its threads.
    process.kill(process.pid, 'SIGKILL');
    return sleep(2 ** 31 - 1) as Promise<never>;
  }
}

function wordsOf(error: unknown): LastWords {
  const message = error instanceof Error ? error.message : String(error);
  const code = isOneSpikeError(error) ? error.code : 'ERR_STATE';
  // Within the bytes of last words whatever its letters are.
  return { own: !message.includes(otherRankFailed), code, message: message.slice(0, 400) };
}

function parseWords(bytes: Uint8Array): LastWords {
  const text = new TextDecoder().decode(bytes).replace(/\0+$/, '');
  try {
    const { own, code, message } = JSON.parse(text) as LastWords;
    return { own, code: isErrorCode(code) ? code : 'ERR_STATE', message };
  } catch {
    return { own: true, code: 'ERR_STATE', message: text };
  }
}

const bytesOf = (number: number): Uint8Array => new Uint8Array(Float64Array.of(number).buffer);
const numbersOf = (bytes: Uint8Array): number[] => [...new Float64Array(bytes.slice().buffer)];
