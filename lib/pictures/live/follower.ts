// A run as it goes on: what its folder says, read again where something has changed.
import { stat } from 'node:fs/promises';
import { lockState } from '../../train/run/lock';
import { RunFolder, type RunInfo } from '../../train/run/run-folder';
import type { TestRecord } from '../../train/run/test-record';
import { checkMetric, recordOf, unfinished, type RunData } from '../data/run-data';
import { extendTimeline, timelineOf, type Timeline } from '../data/series';
import { Tail } from './tail';

/** `waiting`: the folder holds no run yet. `killed`: the process that worked on it is gone without a word. */
export type RunState = 'waiting' | 'running' | 'finished' | 'interrupted' | 'killed';

export class RunFollower {
  readonly path: string;
  readonly #folder: RunFolder;
  readonly #tail: Tail;
  #info: RunInfo | undefined;
  #infoSeen = '';
  #timeline: Timeline = timelineOf([]);
  #lines = 0;
  #lastEpoch: number | null = null;
  #test: TestRecord | null = null;
  #testSeen = '';
  #state: RunState = 'waiting';
  #problem: string | null = null;
  /** What is wrong with metrics.jsonl, or null. */
  #damage: string | null = null;

  constructor(path: string) {
    this.path = path;
    this.#folder = new RunFolder(path);
    this.#tail = new Tail(this.#folder.metricsPath);
  }

  /** What there is to draw; undefined before the run has begun. */
  get data(): RunData | undefined {
    const info = this.#info;
    if (info === undefined) return undefined;
    return {
      run: { path: this.path, info, classes: info.dataset.classes },
      timeline: this.#timeline,
      results: info.results,
      test: this.#test,
      missing: this.#test === null ? unfinished : null,
    };
  }

  get state(): RunState {
    return this.#state;
  }

  /** When the last line of metrics.jsonl was written, in milliseconds since 1970. */
  get lastEpoch(): number | null {
    return this.#lastEpoch;
  }

  /** Why the folder cannot be read further, or null. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Reads what is new, and tells whether something is. A folder that cannot be read is a problem of this run alone. */
  async poll(): Promise<boolean> {
    const before = [this.#state, this.#problem];
    let changed = false;
    try {
      changed = await this.#readInfo();
      const info = this.#info;
      if (info !== undefined) {
        changed = (await this.#readMetrics()) || changed;
        changed = (await this.#readRecord(info)) || changed;
      }
      this.#state = info === undefined ? 'waiting' : await this.#stateNow(info);
      this.#problem = this.#damage;
    } catch (error) {
      this.#problem = (error as Error).message;
    }
    return changed || before[0] !== this.#state || before[1] !== this.#problem;
  }

  async #readInfo(): Promise<boolean> {
    const seen = await signature(this.#folder.infoPath);
    if (seen === this.#infoSeen) return false;
    this.#info = seen === '' ? undefined : await this.#folder.readInfo();
    this.#infoSeen = seen;
    return true;
  }

  async #readMetrics(): Promise<boolean> {
    let changed = false;
    for await (const piece of this.#tail.pieces()) {
      if (piece.restarted) {
        this.#timeline = timelineOf([]);
        this.#lines = 0;
        this.#damage = null;
      }
      this.#add(piece.lines);
      changed ||= piece.restarted || piece.lines.length > 0;
      this.#lastEpoch = piece.time;
    }
    return changed;
  }

  /** Lines behind a damaged one are left out until the file begins anew. */
  #add(lines: readonly string[]): void {
    for (const line of lines) {
      if (this.#damage !== null) return;
      this.#lines++;
      try {
        extendTimeline(this.#timeline, checkMetric(parsed(line), this.path, this.#lines));
      } catch (error) {
        this.#damage = (error as Error).message;
      }
    }
  }

  /** The record counts while the run is finished: a run that goes on has that of an older network. */
  async #readRecord(info: RunInfo): Promise<boolean> {
    const { testPath } = this.#folder;
    const seen = info.results === undefined ? '' : await signature(testPath);
    if (seen === this.#testSeen) return false;
    this.#test = seen === '' ? null : await recordOf({ info, classes: info.dataset.classes }, testPath);
    this.#testSeen = seen;
    return true;
  }

  async #stateNow({ results }: RunInfo): Promise<RunState> {
    // A run that goes on after its end has no results any more.
    if (results !== undefined) return 'finished';
    const lock = await lockState(this.path);
    if (lock === 'held') return 'running';
    return lock === 'left' ? 'killed' : 'interrupted';
  }
}

/** Changes whenever a file is written; '' where there is none. */
async function signature(path: string): Promise<string> {
  return stat(path).then(
    ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
    () => '',
  );
}

/** What a line says; a line that is no JSON is refused as no event. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}
