// A study on disk: `study.json`, a run folder for every trial, its result once it has one, and what all results say
// together (`results.jsonl`, `table.md`, `accuracy.svg`). Several processes, on several hosts, may work in one folder.
import { join } from 'node:path';
import { isOneSpikeError, OneSpikeError } from '../errors';
import { claimFolder, readText } from '../io/exclusive';
import { entriesOf, makeFolder } from '../io/folders';
import { markdown } from '../io/text/markdown';
import { exists } from '../io/status';
import { atomicWrite } from '../io/write';
import { RunLock } from '../train/run/lock';
import { accuracyPicture } from './picture';
import { lastResults, rank, type TrialResult } from './ranking';
import type { Study } from './study';
import { tableRows } from './table';

export class StudyFolder {
  private readonly known = new Map<string, TrialResult>();

  private constructor(
    readonly path: string,
    readonly study: Study,
  ) {}

  /** Opens the folder of a study, or creates it. Errors: ERR_STATE if it holds another study or none; ERR_IO. */
  static async open(path: string, study: Study): Promise<StudyFolder> {
    const content = `${JSON.stringify(study, null, 2)}\n`;
    await claimFolder(path, { name: 'study.json', content, what: 'study' });
    for (const name of ['trials', 'results', 'locks']) await makeFolder(join(path, name));
    return new StudyFolder(path, study);
  }

  /** The run folder of a trial. */
  runPath(trial: number): string {
    return join(this.path, this.runName(trial));
  }

  /** The same within the folder of the study. */
  runName(trial: number): string {
    return join('trials', numbered(trial));
  }

  /**
   * Takes a trial, so that no other process works on it, or returns undefined if one does. The lock is that of run
   * folders: it is free when its process is gone, or has given no sign of life for two minutes on another host. Errors:
   * ERR_IO.
   */
  async take(trial: number): Promise<RunLock | undefined> {
    const folder = join(this.path, 'locks', numbered(trial));
    await makeFolder(folder);
    try {
      return await RunLock.take(folder);
    } catch (error) {
      if (isOneSpikeError(error) && error.code === 'ERR_STATE') return undefined;
      throw error;
    }
  }

  async hasResult(trial: number, stage: number): Promise<boolean> {
    return exists(this.resultPath(trial, stage));
  }

  async writeResult(result: TrialResult): Promise<void> {
    await atomicWrite(this.resultPath(result.trial, result.stage), `${JSON.stringify(result, null, 2)}\n`);
  }

  /** All results so far, of every stage. Errors: ERR_IO; ERR_FORMAT for a file that is damaged. */
  async results(): Promise<TrialResult[]> {
    const folder = join(this.path, 'results');
    for (const name of (await entriesOf(folder)).sort()) {
      if (this.known.has(name)) continue;
      this.known.set(name, parseResult(await readText(join(folder, name)), join(folder, name)));
    }
    return [...this.known.values()];
  }

  /** Writes what all results say together. */
  async summarise(): Promise<void> {
    const results = await this.results();
    const last = lastResults(results);
    const ranking = rank(results);
    await atomicWrite(join(this.path, 'results.jsonl'), last.map((result) => `${JSON.stringify(result)}\n`).join(''));
    await atomicWrite(join(this.path, 'table.md'), markdown(tableRows(ranking)));
    await atomicWrite(join(this.path, 'accuracy.svg'), accuracyPicture(this.study, last));
  }

  private resultPath(trial: number, stage: number): string {
    return join(this.path, 'results', `${numbered(trial)}-${stage}.json`);
  }
}

function numbered(trial: number): string {
  return String(trial).padStart(4, '0');
}

function parseResult(text: string, path: string): TrialResult {
  try {
    const result = JSON.parse(text) as TrialResult;
    if (Number.isSafeInteger(result.trial) && Number.isSafeInteger(result.stage)) return result;
  } catch {
    // Reported below with every other misfit.
  }
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected the result of a trial for ${path} but received ${JSON.stringify(text.slice(0, 40))}; remove the file to read it from the run again`,
  );
}
