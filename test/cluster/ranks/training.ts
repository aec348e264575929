// A small training for several ranks, and what its run must end with.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, tinyConfig } from '../../helpers/command-line';
import { ranksOf, run, type Ended, type Mpi } from './helpers';

/** Two epochs of each phase, with a checkpoint after every step. */
export const dividedConfig = {
  ...tinyConfig,
  shards: 8,
  dataset: { name: 'shapes', trainCount: 120, testCount: 20, size: 16 },
  convert: { images: 20 },
  energy: { images: 12 },
  evaluation: { batch: 6 },
  threads: 0,
  checkpoint: { seconds: 1e-6 },
};

export function writeConfig(folder: string, name: string, config: object): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(config));
  return path;
}

export const modelOf = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));

/** What a run reports, but for the time that it took: all numbers of its epochs, and the record of its test images. */
export function resultsOf(folder: string): { metrics: object[]; test: Buffer } {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const metrics = lines.map((line) => {
    const {
      seconds: _,
      cpuSeconds: _cpu,
      imagesPerSecond: _rate,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    return rest;
  });
  return { metrics, test: readFileSync(join(folder, 'test.safetensors')) };
}

/** The command line in so many ranks. */
export const onespike = (
  mpi: Mpi,
  ranks: number,
  args: readonly string[],
  environment: Record<string, string>,
  during?: Parameters<typeof run>[3],
): Promise<Ended> => run(mpi.mpirun, [...ranksOf(mpi, ranks), process.execPath, main, ...args], environment, during);

/** The processes of ranks that a program has started, directly or by a proxy, in the order in which they started. */
export function ranksBelow(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => {
    const command = readFileSync(`/proc/${child}/cmdline`, 'utf8');
    return command.includes('main.js') && !command.includes('hydra') ? [child] : ranksBelow(child);
  });
}
