// The runs of the live page and the markup of each, drawn again when something has changed.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isFile } from '../../io/status';
import { layerColour } from '../draw/theme';
import { sectionHtml } from '../page';
import { articleHtml, brokenHtml, runName } from './article';
import { compareSection } from './compare';
import { RunFollower } from './follower';

/** Of a folder of runs so many are shown: those that were written to last. */
const MOST_OF_FOLDER = 8;

/** A part of the page by its anchor: what is there now, and the version of the board that has brought it. */
export interface Part {
  html: string;
  version: number;
}

interface Shown {
  follower: RunFollower;
  id: string;
  prefix: string;
}

export class Board {
  readonly #runs: string[];
  readonly #folders: readonly string[];
  readonly #shown = new Map<string, Shown>();
  readonly #parts = new Map<string, Part>();
  #count = 0;
  #version = 0;
  #order: string[] = [];

  /** `runs` are folders of runs, `folders` those that hold such folders. */
  constructor(runs: readonly string[], folders: readonly string[] = []) {
    this.#runs = [...runs];
    this.#folders = folders;
  }

  /** Shows one more run. */
  add(run: string): void {
    if (!this.#runs.includes(run)) this.#runs.push(run);
  }

  /** Rises with every change. */
  get version(): number {
    return this.#version;
  }

  /** The anchors of the parts in the order of the page. */
  get order(): readonly string[] {
    return this.#order;
  }

  /** The parts that are newer than a version. */
  partsSince(version: number): Record<string, string> {
    const newer = this.#order.filter((id) => this.#parts.get(id)!.version > version);
    return Object.fromEntries(newer.map((id) => [id, this.#parts.get(id)!.html]));
  }

  /** Reads what is new and draws what has changed; tells whether anything has. */
  async refresh(): Promise<boolean> {
    const rearranged = await this.#arrange();
    const shown = [...this.#shown.values()];
    const changed: Shown[] = [];
    // One after the other, so that a page of many runs does not read all of their files at once.
    for (const run of shown) if ((await run.follower.poll()) || !this.#parts.has(run.id)) changed.push(run);
    if (!rearranged && changed.length === 0) return false;
    this.#version++;
    const several = shown.length > 1;
    const colourOf = (run: Shown): string | null => (several ? layerColour(shown.indexOf(run), shown.length) : null);
    for (const run of rearranged ? shown : changed) {
      this.#put(run.id, drawn(run, colourOf(run)));
    }
    this.#put('overview', this.#overview(shown, colourOf));
    this.#order = ['overview', ...shown.map(({ id }) => id)];
    for (const id of this.#parts.keys()) if (!this.#order.includes(id)) this.#parts.delete(id);
    return true;
  }

  #put(id: string, html: string): void {
    if (this.#parts.get(id)?.html !== html) this.#parts.set(id, { html, version: this.#version });
  }

  /** What all runs have in common; empty for a single one. */
  #overview(shown: readonly Shown[], colourOf: (run: Shown) => string | null): string {
    const runs = shown.flatMap((run) => {
      const { data, path } = run.follower;
      return data === undefined ? [] : [{ name: runName(path), colour: colourOf(run) ?? '', data }];
    });
    const content =
      shown.length === 0
        ? `<p class="note">Waiting for the first run.</p>`
        : runs.length > 1
          ? sectionHtml(compareSection(runs))
          : '';
    return `<div id="overview">${content}</div>`;
  }

  /** Shows new runs of the folders in the place of the oldest ones; tells whether the list is another. */
  async #arrange(): Promise<boolean> {
    const paths = [...this.#runs];
    for (const folder of this.#folders)
      paths.push(...(await newestRuns(folder)).filter((path) => !paths.includes(path)));
    const same = paths.length === this.#shown.size && paths.every((path) => this.#shown.has(path));
    if (same && this.#order.length > 0) return false;
    const before = new Map(this.#shown);
    this.#shown.clear();
    for (const path of paths) this.#shown.set(path, before.get(path) ?? this.#follow(path));
    return true;
  }

  /** Anchors of the first run are those of its report. */
  #follow(path: string): Shown {
    const number = ++this.#count;
    return {
      follower: new RunFollower(path),
      id: `run-${number}`,
      prefix: number === 1 ? '' : `run-${number}-`,
    };
  }
}

/** What cannot be drawn costs its own run alone. */
function drawn({ follower, id, prefix }: Shown, colour: string | null): string {
  try {
    return articleHtml(follower, { id, prefix, colour });
  } catch (error) {
    return brokenHtml(follower, id, error);
  }
}

/** The runs in a folder that were written to last, in the order of their names. */
async function newestRuns(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const found: { path: string; time: number }[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if (!(await isFile(join(path, 'run.json')))) continue;
    const times = await Promise.all(['run.json', 'metrics.jsonl'].map((file) => writtenAt(join(path, file))));
    found.push({ path, time: Math.max(...times) });
  }
  found.sort((a, b) => b.time - a.time);
  return found
    .slice(0, MOST_OF_FOLDER)
    .map(({ path }) => path)
    .sort();
}

async function writtenAt(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
