// An evolution on disk: `evolution.json`, a study for every generation in `generations/NNN`, the files that individuals
// begin with in `beginnings`, `generations.jsonl`, and the comparison at the end, `evolved.json` and `table.md`.
import { join } from 'node:path';
import { claimFolder } from '../../io/exclusive';
import { makeFolder } from '../../io/folders';
import { readJsonLines } from '../../io/jsonl';
import { exists } from '../../io/status';
import { atomicWrite, removeFile } from '../../io/write';
import { markdown } from '../../io/text/markdown';
import { outcomeRows, type EvolvedEvent, type GenerationEvent } from './records';
import type { Evolution } from './settings';

const numbered = (number: number, digits: number): string => String(number).padStart(digits, '0');

export class EvolutionFolder {
  private constructor(readonly path: string) {}

  /**
   * Opens the folder of an evolution, or creates it. Errors: ERR_STATE if it holds another one, or anything else;
   * ERR_IO.
   */
  static async open(path: string, evolution: Evolution): Promise<EvolutionFolder> {
    // Where it computes decides nothing about the result.
    const { out: _out, threads: _threads, device: _device, ...config } = evolution.config;
    const content = `${JSON.stringify({ ...evolution, config }, null, 2)}\n`;
    await claimFolder(path, { name: 'evolution.json', content, what: 'evolution' });
    for (const name of ['generations', 'beginnings']) await makeFolder(join(path, name));
    return new EvolutionFolder(path);
  }

  /** The folder of a study: of a generation, or of those at the end. */
  study(name: number | 'random' | 'final' | 'dense'): string {
    return typeof name === 'string' ? join(this.path, name) : join(this.path, 'generations', numbered(name, 3));
  }

  /**
   * The file that an individual begins with; generation 0 are those with random genomes beside the first generation.
   */
  beginning(generation: number, individual: number): string {
    return join(this.path, 'beginnings', `${numbered(generation, 3)}-${numbered(individual, 4)}.safetensors`);
  }

  async forget(generation: number, individual: number): Promise<void> {
    await removeFile(this.beginning(generation, individual));
  }

  /** The generations that are complete. Errors: ERR_IO, ERR_FORMAT. */
  async generations(): Promise<GenerationEvent[]> {
    const file = join(this.path, 'generations.jsonl');
    if (!(await exists(file))) return [];
    return (await readJsonLines(file)).records as unknown as GenerationEvent[];
  }

  async writeGenerations(events: readonly GenerationEvent[]): Promise<void> {
    await atomicWrite(
      join(this.path, 'generations.jsonl'),
      events.map((event) => `${JSON.stringify(event)}\n`).join(''),
    );
  }

  async writeEnd(event: EvolvedEvent): Promise<void> {
    await atomicWrite(join(this.path, 'evolved.json'), `${JSON.stringify(event, null, 2)}\n`);
    await atomicWrite(join(this.path, 'table.md'), markdown(outcomeRows(event)));
  }
}
