// Documented commands with fewer images and epochs, so that each takes a second: options that follow override.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Options that set keys of a configuration. */
export const settings = (values: Record<string, number | string>): string[] =>
  Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

const images = {
  'dataset.trainCount': 50,
  'dataset.testCount': 10,
  'dataset.validation': 0.2,
  'energy.images': 10,
  'convert.images': 20,
};
const narrow = { 'model.width': 0.125, 'model.hidden': '[16]' };
const stages = { 'ann.epochs': 1, 'snn.epochs': 1, 'snn.incremental': '[]', 'ann.batch': 20, 'snn.batch': 20 };
/** Two epochs of a narrow network on 40 images. */
export const shortTraining = { ...images, ...narrow, ...stages };

/** Few steps of the codes that would take the longest. */
const fewSteps = ['rate=10', 'direct=6', 'phase=16', 'burst=8', 'ttfs-converted=11', 'tsc=6', 'one-spike-phase=5'];

function shorterTraining(words: readonly string[]): string[] {
  // The model file brings its own layers.
  if (words.includes('--init')) return settings({ ...images, ...stages });
  return settings(words.includes('binary.epochs=3') ? { ...shortTraining, 'binary.epochs': 1 } : shortTraining);
}

/** A study with a single value of every parameter but the first, one seed, and short trainings. */
function shorterStudy(file: string, folder: string): string {
  const study = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
    config: object;
    parameters: Record<string, unknown[]>;
    seeds?: number[];
  };
  const entries = Object.entries(study.parameters);
  const parameters = Object.fromEntries(entries.map(([key, values], i) => [key, values.slice(0, i === 0 ? 2 : 1)]));
  const config = Object.entries(shortTraining).reduce(
    (whole, [key, value]) => withKey(whole, key.split('.'), typeof value === 'string' ? JSON.parse(value) : value),
    study.config,
  );
  const shorter = `shorter-${basename(file)}`;
  writeFileSync(
    join(folder, shorter),
    JSON.stringify({ ...study, config, parameters, seeds: study.seeds?.slice(0, 1) }),
  );
  return shorter;
}

function withKey(whole: object, [key, ...rest]: readonly string[], value: unknown): object {
  const part = (whole as Record<string, unknown>)[key!];
  return { ...whole, [key!]: rest.length === 0 ? value : withKey((part ?? {}) as object, rest, value) };
}

/** The arguments of a command as they are carried out; the files that they name are in `folder`. */
export function shorter(words: readonly string[], folder: string): string[] {
  const [command] = words;
  if (command === 'train') return [...words, ...shorterTraining(words)];
  if (command === 'bench') return [...words, '--batch', '2', '--iterations', '1', '--warmup', '0'];
  if (command === 'simulate') return [...words, '--images', '4'];
  if (command === 'evolve')
    return [
      ...[...words, '--generations', '1', '--population', '2', '--images', '40', '--no-final', '--max-parallel', '1'],
      ...settings(shortTraining),
    ];
  if (command === 'compare') {
    const run = words[1]!.startsWith('runs/');
    const steps = fewSteps.flatMap((text) => ['--timesteps', text]);
    const without = words.filter((word, i) => word !== '--timesteps' && words[i - 1] !== '--timesteps');
    return [...without, '--images', '10', ...steps, ...(run ? [] : settings(shortTraining))];
  }
  // Of a study that takes a day, the plan.
  if (command === 'sweep' && words[1]!.startsWith('examples/')) return [...words, '--dry-run'];
  if (command === 'sweep' && !words.includes('--dry-run'))
    return ['sweep', shorterStudy(words[1]!, folder), ...words.slice(2)];
  return [...words];
}
