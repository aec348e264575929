// What a comparison has measured so far, on disk: `compare/state.json` within its folder. Whatever a measurement
// depends on is part of its key, so that one of other networks, images or settings is never taken for it.
import { join } from 'node:path';
import { OneSpikeError } from '../errors';
import { readText } from '../io/exclusive';
import { makeFolder, removeLeftovers } from '../io/folders';
import { exists } from '../io/status';
import { atomicWrite } from '../io/write';
import { RunLock } from '../train/run/lock';
import type { SimulationSums } from './pieces';
import type { MeasuredCode } from './result';

/** A measurement: its name within the comparison, and all that it depends on. */
export interface Measurement {
  name: string;
  key: string;
}

interface Stored {
  format: 1;
  /** Measurements that are complete, by their names. */
  done: Record<string, { key: string; measured: MeasuredCode }>;
  /** The one that was interrupted. */
  partial: { key: string; sums: SimulationSums } | null;
  /** What layers are divided by, and all that this depends on. */
  activations: { key: string; values: number[] } | null;
  /** The rows of the table, in order. */
  rows: MeasuredCode[];
}

const empty = (): Stored => ({ format: 1, done: {}, partial: null, activations: null, rows: [] });

export class ComparisonState {
  private constructor(
    private readonly folder: string,
    private readonly stored: Stored,
    private readonly lock: RunLock,
  ) {}

  /** Takes the folder for this process. Errors: ERR_STATE while another one works there; ERR_FORMAT, ERR_IO. */
  static async open(out: string): Promise<ComparisonState> {
    const folder = join(out, 'compare');
    await makeFolder(folder);
    const lock = await RunLock.take(folder);
    try {
      await removeLeftovers(folder);
      const stored = await read(folder);
      return new ComparisonState(folder, { ...stored, rows: [] }, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The result of a measurement that is complete. */
  done({ name, key }: Measurement): MeasuredCode | undefined {
    const found = this.stored.done[name];
    return found?.key === key ? found.measured : undefined;
  }

  /** Where a simulation was interrupted. */
  partial(key: string): SimulationSums | undefined {
    const { partial } = this.stored;
    return partial?.key === key ? partial.sums : undefined;
  }

  activations(key: string): number[] | undefined {
    const { activations } = this.stored;
    return activations?.key === key ? activations.values : undefined;
  }

  async savePartial(key: string, activationsKey: string, sums: SimulationSums): Promise<void> {
    this.stored.partial = { key, sums };
    this.stored.activations = { key: activationsKey, values: sums.activations };
    await this.save();
  }

  async saveDone({ name, key }: Measurement, measured: MeasuredCode): Promise<void> {
    this.stored.done[name] = { key, measured };
    this.stored.partial = null;
    await this.save();
  }

  /** Adds a row to the table. */
  async saveRow(row: MeasuredCode): Promise<readonly MeasuredCode[]> {
    this.stored.rows.push(row);
    await this.save();
    return this.stored.rows;
  }

  async close(): Promise<void> {
    await this.lock.release();
  }

  private async save(): Promise<void> {
    await this.lock.assertHeld();
    await atomicWrite(stateFile(this.folder), `${JSON.stringify(this.stored)}\n`);
  }
}

/**
 * The rows of the comparison in a folder, in order, with their accuracies after every step. Errors: ERR_IO, ERR_FORMAT.
 */
export async function comparedCodes(out: string): Promise<MeasuredCode[]> {
  return (await read(join(out, 'compare'))).rows;
}

const stateFile = (folder: string): string => join(folder, 'state.json');

async function read(folder: string): Promise<Stored> {
  const path = stateFile(folder);
  if (!(await exists(path))) return empty();
  const text = await readText(path);
  try {
    const stored = JSON.parse(text) as Stored;
    if (stored.format === 1) return stored;
  } catch {
    // Reported below with every other misfit.
  }
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected what a comparison has measured for ${path} but received ${JSON.stringify(text.slice(0, 40))}; remove the file to measure again`,
  );
}
