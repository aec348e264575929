// The folder of a run that several ranks train: rank 0 alone reads and writes it, and the others have the outcome.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OneSpikeError, isOneSpikeError, type ErrorCode } from '../../errors';
import { makeTemporaryFolder, removeFolder } from '../../io/folders';
import { ioError } from '../../io/system-error';
import { atomicWrite } from '../../io/write';
import type { LockOptions } from './lock';
import { RunFolder, type RunInfo } from './run-folder';

/** The part of `Ranks` of lib/train/loop/ranks.ts that a folder needs. */
export interface FolderRanks {
  readonly rank: number;
  broadcast(bytes: Uint8Array): Promise<Uint8Array>;
}

/** What rank 0 tells of a piece of work: its result, or its error. */
type Outcome<T> = { value?: T } | { code: ErrorCode; message: string };

export class SharedRunFolder extends RunFolder {
  /** Where the other ranks keep copies of files of the run. */
  #copies: string | undefined;
  /** Whether rank 0 is at work that the others wait for. */
  #leading = false;

  constructor(
    path: string,
    private readonly ranks: FolderRanks,
  ) {
    super(path);
  }

  /** Whether this rank is the one that reads and writes. */
  get #leads(): boolean {
    return this.ranks.rank === 0;
  }

  /** Has rank 0 do some work, whose result goes to all ranks as JSON. Errors: those of rank 0 on every rank. */
  override async lead<T>(work: () => Promise<T>): Promise<T> {
    if (this.#leading) return work();
    if (!this.#leads) {
      const answer = JSON.parse(Buffer.from(await this.#tell(new Uint8Array())).toString()) as Outcome<T>;
      if ('code' in answer) throw new OneSpikeError(answer.code, answer.message);
      return answer.value as T;
    }
    this.#leading = true;
    try {
      const value = await work();
      await this.#tell(Buffer.from(JSON.stringify({ value })));
      return value;
    } catch (error) {
      if (this.lost) throw error;
      const { code, message } = isOneSpikeError(error) ? error : { code: 'ERR_STATE', message: String(error) };
      await this.#tell(Buffer.from(JSON.stringify({ code, message })));
      throw error;
    } finally {
      this.#leading = false;
    }
  }

  async #tell(bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.ranks.broadcast(bytes);
    } catch (error) {
      this.lost = true;
      throw error;
    }
  }

  override async checkFree(options?: { another?: boolean }): Promise<void> {
    await this.lead(() => super.checkFree(options));
  }

  override async create(options?: { another?: boolean }): Promise<void> {
    this.rename(
      await this.lead(async () => {
        await super.create(options);
        return this.path;
      }),
    );
  }

  override async lock(options?: LockOptions): Promise<void> {
    await this.lead(() => super.lock(options));
  }

  override async prepare(): Promise<void> {
    await this.lead(() => super.prepare());
  }

  override async readInfo(): Promise<RunInfo> {
    return this.lead(() => super.readInfo());
  }

  override async writeInfo(info: RunInfo): Promise<void> {
    await this.lead(() => super.writeInfo(info));
  }

  override async appendMetric(position: number, metric: object): Promise<number> {
    return this.lead(() => super.appendMetric(position, metric));
  }

  override async cutMetrics(position: number): Promise<number> {
    return this.lead(() => super.cutMetrics(position));
  }

  override async fetch(path: string): Promise<string> {
    let bytes = new Uint8Array();
    await this.lead(async () => {
      bytes = await readFile(path).catch((error: unknown) => {
        throw ioError('read', path, error);
      });
    });
    const received = await this.#tell(bytes);
    if (this.#leads) return path;
    this.#copies ??= await makeTemporaryFolder('onespike-rank-');
    const copy = join(this.#copies, basename(path));
    await atomicWrite(copy, received);
    return copy;
  }

  override async unlock(): Promise<void> {
    await super.unlock();
    if (this.#copies !== undefined) await removeFolder(this.#copies);
    this.#copies = undefined;
  }
}
