// Small trainings that something befalls, and what must hold of the run afterwards.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../lib/io/safetensors';
import { resume } from '../../lib/train/loop/train';
import type { CliResult } from '../helpers/command-line';
import { cli, tinyConfig } from '../helpers/command-line';

/** Two steps and a checkpoint after each, in both phases: every kind of file is written, in well under a second. */
export const briefConfig = {
  ...tinyConfig,
  dataset: { name: 'shapes', trainCount: 40, testCount: 10, size: 16 },
  ann: { ...tinyConfig.ann, epochs: 1, batch: 20 },
  convert: { images: 20 },
  snn: { ...tinyConfig.snn, epochs: 1, batch: 20 },
  energy: { images: 2 },
  checkpoint: { seconds: 1e-6 },
};

/** Writes the configuration into `folder` and trains undisturbed: the parameters that every other run must end with. */
export async function undisturbed(folder: string, config: object): Promise<{ config: string; model: Buffer }> {
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  const run = join(folder, 'undisturbed');
  const { status, stderr } = await cli(['train', path, '--out', run, '--json']);
  if (status !== 0) throw new Error(stderr);
  return { config: path, model: readFileSync(join(run, 'model.safetensors')) };
}

/** The shared object of a C source beside this file, or why there is none. */
export function compiled(source: string, folder: string): { path: string } | { reason: string } {
  const path = join(folder, 'layer.so');
  const compiler = process.env.CC ?? 'cc';
  const args = ['-std=gnu11', '-Wall', '-shared', '-fPIC', '-O1', '-o', path, join(__dirname, source), '-ldl'];
  const { status, error, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (error !== undefined) return { reason: `no C compiler (${error.message})` };
  if (status !== 0) throw new Error(stderr);
  return { path };
}

const stackFrame = /^\s+at .*[(/].*:\d+/m;

/** What is wrong with a training that was disturbed: it ended without a code, with a stack trace, or left its lock. */
export function complaints(
  command: 'train' | 'resume',
  { status, stdout, stderr, events }: CliResult,
  run: string,
): string[] {
  const found: string[] = [];
  if (status !== 0 && status !== 1 && status !== 130) found.push(`ended with ${status}`);
  if (stackFrame.test(stderr + stdout)) found.push(`shows a stack trace: ${stderr}`);
  if (status !== 0) {
    const last = events().at(-1);
    if (last?.event !== 'error' || !/^ERR_(IO|ABORTED|FORMAT|STATE)$/.test(String(last.code)))
      found.push(`no coded error: ${stdout} ${stderr}`);
    // A resumption that cannot even begin has been asked for already.
    const resumable = command === 'train' ? existsSync(join(run, 'run.json')) : events().length > 1;
    if (resumable && !stderr.includes('onespike resume')) found.push(`does not name resume: ${stderr}`);
  }
  if (existsSync(join(run, 'run.lock'))) found.push('leaves its lock');
  return found;
}

/** Whether the run, resumed, ends with the same parameters; what is wrong with it otherwise. */
export async function lost(run: string, model: Buffer): Promise<string[]> {
  if (!existsSync(join(run, 'run.json'))) {
    return existsSync(run) ? [`there is a folder without a run: ${readdirSync(run).join(', ')}`] : [];
  }
  try {
    const last = join(run, 'checkpoints', 'last.safetensors');
    if (existsSync(last)) await readSafetensors(last);
    for await (const event of resume(run)) if (event.event === 'done') break;
    const found = readFileSync(join(run, 'model.safetensors')).equals(model) ? [] : ['other parameters'];
    const left = readdirSync(run, { recursive: true }).filter((name) => String(name).endsWith('.tmp'));
    return [...found, ...left.map((name) => `${name} is left`)];
  } catch (error) {
    return [`cannot be resumed: ${(error as Error).message}`];
  }
}

/** Works on all of `items`, one on each of `places` at a time. */
export async function atOnce<T, P>(
  places: readonly P[],
  items: readonly T[],
  work: (item: T, place: P) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (place: P): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, place);
  };
  await Promise.all(places.map(worker));
}
