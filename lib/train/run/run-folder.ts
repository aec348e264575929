// A run on disk: `run.json`, `metrics.jsonl`, `model.safetensors` and `checkpoints/` in one folder.
import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OneSpikeError } from '../../errors';
import { entriesOf, makeFolder, makeNewFolder, removeEmptyFolders, removeLeftovers } from '../../io/folders';
import { readJsonLines, type JsonObject } from '../../io/jsonl';
import { appendAt, cutBack } from '../../io/log';
import { shellWord } from '../../io/paths';
import { exists, isFile } from '../../io/status';
import { ioError, systemCode } from '../../io/system-error';
import { atomicWrite } from '../../io/write';
import type { Precision } from '../../model/network';
import { resolveNetwork, type ResolvedNetwork } from '../../model/description';
import { parseConfig, type TrainConfig } from '../config/config';
import type { ConfigChange } from './changes';
import type { DataRecord } from './data-record';
import { upgradeResults, type DoneEvent } from './events';
import type { TimePlan } from '../minutes/plan';
import { RunLock, type LockOptions } from './lock';

/** What run.json holds. */
export interface RunInfo {
  format: 1;
  version: string;
  created: string;
  config: TrainConfig;
  seed: number;
  /** The backend that ran last, whatever was asked for: a resume uses the same one unless it is told otherwise. */
  backend: string;
  /** Other backends that ran before, in order. */
  earlierBackends?: string[];
  /** The precision of the network; runs of older versions name it in `config`. */
  precision?: Precision;
  network: ResolvedNetwork;
  dataset: DataRecord;
  /** The machine that ran last, and those before it whose instruction set was another, in order. */
  host: HostInfo;
  earlierHosts?: HostInfo[];
  /** What `minutes` chose at the start. */
  plan?: TimePlan;
  /** The changes that `resume` was asked for, and those that kept a run to its `minutes`, in order. */
  changes?: ConfigChange[];
  /** The results of a finished run. */
  results?: DoneEvent;
}

/** The machine that a run was trained on. */
export interface HostInfo {
  /** The host name. */
  name: string;
  /** The operating system and the architecture. */
  platform: string;
  /** The model of the processor. */
  cpu: string;
  /** The number of processor cores. */
  cores: number;
  /** The size of the main memory in bytes. */
  memoryBytes: number;
  /** The version of Node.js. */
  node: string;
  /** The instruction set of the CPU kernels. */
  simd: string;
}

export class RunFolder {
  /** Whether ranks that share the folder have lost each other: what only all of them can save is not saved then. */
  lost = false;
  private held: RunLock | undefined;
  /** Folders that were created for this run, outermost first. */
  private readonly created: string[] = [];

  #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get path(): string {
    return this.#path;
  }

  /** The name of a folder that another process has created. */
  protected rename(path: string): void {
    this.#path = path;
  }

  /**
   * Does work on the files of the run, whose result is plain JSON. Of ranks that share the folder rank 0 alone does it;
   * all have the result, or the error.
   */
  async lead<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  /** A file of the run, or where a rank that shares the folder has a copy of it. Errors: ERR_IO. */
  async fetch(path: string): Promise<string> {
    return path;
  }

  get infoPath(): string {
    return join(this.path, 'run.json');
  }

  get metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get modelPath(): string {
    return join(this.path, 'model.safetensors');
  }

  get testPath(): string {
    return join(this.path, 'test.safetensors');
  }

  checkpoint(name: string): string {
    return join(this.path, 'checkpoints', name);
  }

  /**
   * Checks that a run can be written here, or with `another` beside it; creates nothing.
   * Errors: ERR_STATE if the folder holds anything, so that no run is ever overwritten; ERR_IO if it cannot be created
   * or written.
   */
  async checkFree({ another = false } = {}): Promise<void> {
    try {
      await checkWritable(this.path);
      if (another || !(await this.has(this.path))) return;
      // A process killed before its run began leaves a lock or temporary files: nothing worth keeping.
      const held = (await entriesOf(this.path)).filter((name) => name !== 'run.lock');
      if (held.length === 0) return;
      const hint = held.includes('run.json')
        ? `continue it by \`onespike resume ${shellWord(this.path)}\`, or name another folder`
        : 'name another folder';
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected an empty or new folder for out but ${this.path} holds ${held.length} entries; ${hint}`,
      );
    } catch (error) {
      throw ioError('create', this.path, error);
    }
  }

  /**
   * Creates the folder and takes its lock. With `another` the folder is the first of NAME, NAME-2, NAME-3, ... that
   * does not exist yet. Errors: as of `checkFree` and `RunLock.take`; nothing stays then.
   */
  async create({ another = false } = {}): Promise<void> {
    try {
      await this.make(another);
      await this.lock();
      await this.checkFree();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  private async make(another: boolean): Promise<void> {
    const first = this.#path;
    this.created.push(...(await makeFolder(dirname(first))));
    for (let number = 2; ; number++) {
      const isNew = await makeNewFolder(this.#path);
      if (isNew) this.created.push(this.#path);
      if (isNew || !another) return;
      this.#path = `${first}-${number}`;
    }
  }

  /** Takes the lock. Errors: as `RunLock.take`. */
  async lock(options: LockOptions = {}): Promise<void> {
    this.held = await RunLock.take(this.path, options);
  }

  /** Releases the lock. */
  async unlock(): Promise<void> {
    await this.held?.release();
    this.held = undefined;
  }

  /** Releases the lock and removes the folders that were created, unless they hold a run. */
  async abandon(): Promise<void> {
    await this.unlock();
    await removeEmptyFolders(this.created);
  }

  /** Errors: ERR_STATE if another process has taken the run over; then nothing must be written any more. */
  async assertHeld(): Promise<void> {
    await this.held?.assertHeld();
  }

  /** Creates checkpoints/, and removes what a killed process left half-written. */
  async prepare(): Promise<void> {
    await makeFolder(join(this.path, 'checkpoints'));
    await removeLeftovers(this.path);
    await removeLeftovers(this.checkpoint(''));
  }

  /** Errors: ERR_IO if there is no run, ERR_FORMAT if run.json is not what it should be. */
  async readInfo(): Promise<RunInfo> {
    let text: string;
    try {
      text = await readFile(this.infoPath, 'utf8');
    } catch (error) {
      throw (await this.noRun()) ?? ioError('read', this.infoPath, error);
    }
    let info: Partial<RunInfo> | null = null;
    try {
      info = JSON.parse(text) as Partial<RunInfo> | null;
    } catch {
      // Reported below with every other misfit.
    }
    if (info?.format !== 1 || !Array.isArray(info.dataset?.classes)) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a run of format 1 for ${this.infoPath} but received ${JSON.stringify(text.slice(0, 40))}`,
      );
    }
    try {
      const config = parseConfig(info.config);
      const results = upgradeResults(info.results, config);
      return { ...(info as RunInfo), config, network: resolveNetwork(info.network), ...(results && { results }) };
    } catch (cause) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected an intact run for ${this.infoPath} but received a fault: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  /** The error for a path that is no folder of a run, perhaps a file of one; undefined where there is a run.json. */
  private async noRun(): Promise<OneSpikeError | undefined> {
    if (await exists(this.infoPath)) return undefined;
    if (!(await isFile(this.path))) {
      const found = (await exists(this.path)) ? `${this.path} holds no run.json` : `nothing is at ${this.path}`;
      return new OneSpikeError(
        'ERR_IO',
        `Expected the folder of a run but ${found}; a training names its folder at its beginning and at its end`,
      );
    }
    const above = dirname(this.path);
    for (const folder of [above, dirname(above)]) {
      if (await isFile(new RunFolder(folder).infoPath))
        return new OneSpikeError(
          'ERR_IO',
          `Expected the folder of a run but ${this.path} is a file of the run ${folder}`,
        );
    }
    return new OneSpikeError('ERR_IO', `Expected the folder of a run but ${this.path} is a file`);
  }

  async writeInfo(info: RunInfo): Promise<void> {
    await this.assertHeld();
    await atomicWrite(this.infoPath, `${JSON.stringify(info, null, 2)}\n`);
  }

  /**
   * Appends one line after byte `position`, cutting off whatever follows it, and returns the new length. Errors: as
   * `appendAt`.
   */
  async appendMetric(position: number, metric: object): Promise<number> {
    await this.assertHeld();
    return appendAt(this.metricsPath, position, Buffer.from(`${JSON.stringify(metric)}\n`));
  }

  /** Cuts metrics.jsonl back to what a checkpoint knows of, and returns its length. Errors: as `cutBack`. */
  async cutMetrics(position: number): Promise<number> {
    return cutBack(this.metricsPath, position);
  }

  /** Epochs and conversion so far; a half-written last line (of a killed process) is left out. */
  async readMetrics(): Promise<JsonObject[]> {
    return (await this.has(this.metricsPath)) ? (await readJsonLines(this.metricsPath)).records : [];
  }

  async has(path: string): Promise<boolean> {
    return exists(path);
  }
}

/** The precision of a run of any version. */
export function runPrecision(info: RunInfo): Precision {
  return info.precision ?? info.config.precision ?? 'fp32';
}

/** `runs/NAME-YYYYMMDD-HHMMSS`, local time. */
export function defaultOut(name: string, now: Date = new Date()): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return join('runs', `${name}-${day}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`);
}

/** Errors: what the system says of the nearest folder that exists, if nothing can be created in it. */
async function checkWritable(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK);
    await readdir(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await checkWritable(dirname(path));
  }
}
