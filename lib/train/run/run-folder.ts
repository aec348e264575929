/**
 * A run on disk: `run.json`, `metrics.jsonl`, `model.safetensors` and `checkpoints/` in one folder.
 */
import { constants } from 'node:fs';
import { access, open, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OneSpikeError } from '../../errors';
import { atomicWrite, ioError, makeFolder, removeLeftovers } from '../../io/atomic';
import { readJsonLines, type JsonObject } from '../../io/jsonl';
import type { Precision } from '../../model/network';
import { resolveNetwork, type ResolvedNetwork } from '../../model/description';
import { parseConfig, type TrainConfig } from '../config/config';
import type { DataRecord } from './data-record';
import type { DoneEvent } from './events';

/** What run.json holds. */
export interface RunInfo {
  format: 1;
  version: string;
  created: string;
  config: TrainConfig;
  seed: number;
  /** The backend that ran last, whatever was asked for: a resume takes the same one unless it is told otherwise. */
  backend: string;
  /** Others that ran before, in order. */
  earlierBackends?: string[];
  /** That the network was made with; runs of older versions name it in `config`. */
  precision?: Precision;
  network: ResolvedNetwork;
  dataset: DataRecord;
  /** The machine that ran last, and those before it whose instruction set was another, in order. */
  host: HostInfo;
  earlierHosts?: HostInfo[];
  /** Of a finished run. */
  results?: DoneEvent;
}

export interface HostInfo {
  name: string;
  platform: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
  node: string;
  /** The instruction set of the CPU kernels. */
  simd: string;
}

export class RunFolder {
  constructor(readonly path: string) {}

  get infoPath(): string {
    return join(this.path, 'run.json');
  }

  get metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get modelPath(): string {
    return join(this.path, 'model.safetensors');
  }

  checkpoint(name: string): string {
    return join(this.path, 'checkpoints', name);
  }

  /** Creates the folder. Errors: as of `checkFree`; ERR_IO. */
  async create(): Promise<void> {
    await this.checkFree();
    await makeFolder(this.path);
  }

  /**
   * Whether a run can be written here; creates nothing.
   * Errors: ERR_STATE if the folder holds anything, so that no run is ever overwritten; ERR_IO if it cannot be created or written.
   */
  async checkFree(): Promise<void> {
    try {
      await checkWritable(this.path);
      if (!(await this.has(this.path))) return;
      // A process killed before its run began leaves a lock or temporary files: nothing worth keeping.
      const held = (await readdir(this.path)).filter((name) => !/^(run\.lock|\.run\..*\.tmp)$/.test(name));
      if (held.length > 0) {
        const hint = held.includes('run.json')
          ? `go on with it by \`onespike resume ${this.path}\`, or name another folder`
          : 'name another folder';
        throw new OneSpikeError(
          'ERR_STATE',
          `Expected an empty or new folder for out but ${this.path} holds ${held.length} entries; ${hint}`,
        );
      }
    } catch (error) {
      throw ioError('create', this.path, error);
    }
  }

  /** Makes checkpoints/, and clears away what a killed process left half-written. */
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
      throw ioError('read', this.infoPath, error);
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
      return { ...(info as RunInfo), config: parseConfig(info.config), network: resolveNetwork(info.network) };
    } catch (cause) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected an intact run for ${this.infoPath} but received a fault: ${(cause as Error).message}`,
        { cause },
      );
    }
  }

  async writeInfo(info: RunInfo): Promise<void> {
    await atomicWrite(this.infoPath, `${JSON.stringify(info, null, 2)}\n`);
  }

  /** Appends one line after byte `position` (cutting off whatever follows it) and returns the new length. It is on disk on return. */
  async appendMetric(position: number, metric: object): Promise<number> {
    const line = Buffer.from(`${JSON.stringify(metric)}\n`);
    const file = await open(this.metricsPath, 'a').then(async (created) => {
      await created.close();
      return open(this.metricsPath, 'r+');
    });
    try {
      await file.truncate(position);
      await file.write(line, 0, line.length, position);
      await file.sync();
    } finally {
      await file.close();
    }
    return position + line.length;
  }

  /** Cuts metrics.jsonl back to what a checkpoint knows of. */
  async truncateMetrics(position: number): Promise<void> {
    const size = await stat(this.metricsPath).then(
      (info) => info.size,
      () => 0,
    );
    if (size < position) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected at least ${position} bytes in ${this.metricsPath} but received ${size}; the checkpoint belongs to another run`,
      );
    }
    if (size === position) return;
    const file = await open(this.metricsPath, 'r+');
    try {
      await file.truncate(position);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Epochs and conversion so far; a half-written last line (of a killed process) is left out. */
  async readMetrics(): Promise<JsonObject[]> {
    return (await this.has(this.metricsPath)) ? (await readJsonLines(this.metricsPath)).records : [];
  }

  async has(path: string): Promise<boolean> {
    return stat(path).then(
      () => true,
      () => false,
    );
  }
}

/** The precision of a run, whichever version made it. */
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
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await checkWritable(dirname(path));
  }
}
