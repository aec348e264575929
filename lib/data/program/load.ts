// A data set of a program as one that is loaded.
import { checkInteger, checkNumber, checkOptions, checkString, checkTypedArray, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { joinSets } from '../split';
import { channelStatistics } from '../statistics';
import { MOST_CLASSES, type ImageSet, type LoadedDataset } from '../types';
import { checkClassNames, checkShape, collect, type Collected } from './collect';
import type { LabelList, ProgramDataset, ProgramPart } from './types';

const programKeys = [
  'name',
  'train',
  'test',
  'validation',
  'shape',
  'classes',
  'trainCount',
  'testCount',
  'mean',
  'std',
  'warnings',
] as const satisfies readonly (keyof ProgramDataset)[];

/**
 * Brings the images into memory: those to train on, then those of the test, then those for validation, which come
 * behind those to train on.
 * Errors: ERR_ARG, ERR_SHAPE, ERR_ABORTED, and whatever a stream throws.
 */
export async function loadProgram(
  dataset: ProgramDataset,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<LoadedDataset> {
  checkOptions(dataset, 'dataset', programKeys);
  const { validation } = dataset;
  const shape = dataset.shape === undefined ? undefined : checkShape(dataset.shape, 'dataset.shape');
  const classes = dataset.classes === undefined ? undefined : checkClassNames(dataset.classes, 'dataset.classes');
  const most = (key: 'trainCount' | 'testCount'): number =>
    dataset[key] === undefined ? Infinity : checkInteger(dataset[key], `dataset.${key}`, { min: 1 });
  const read = (part: ProgramPart, name: string, count: number, like?: Collected): Promise<Collected> =>
    collect(part, {
      name: `dataset.${name}`,
      shape: shape ?? like?.shape,
      classes: classes ?? like?.classes,
      most: count,
      signal,
    });
  const train = await read(dataset.train, 'train', most('trainCount'));
  const test = await read(dataset.test, 'test', most('testCount'), train);
  const isPart = typeof validation === 'object' && validation !== null && !ArrayBuffer.isView(validation);
  const aside = isPart ? await read(validation, 'validation', Infinity, train) : undefined;

  const parts = { train, test, ...(aside === undefined ? {} : { validation: aside }) };
  for (const [name, part] of Object.entries(parts)) checkAlike(train, part, name);
  const names = train.classes ?? namesOf(Object.values(parts));
  const sets = Object.entries(parts).map(([name, part]) => setOf(part, names, `dataset.${name}`));
  const [training, testing, behind] = sets as [ImageSet, ImageSet, ImageSet?];
  const together = behind === undefined ? training : joinSets(training, behind);
  const rows = rowsAside(validation, training, behind);
  return {
    name: dataset.name === undefined ? 'program' : checkString(dataset.name, 'dataset.name'),
    train: together,
    test: testing,
    ...(rows === undefined ? {} : { validation: rows }),
    warnings: [...(dataset.warnings ?? [])],
    ...statisticsOf(dataset, together),
  };
}

/** Errors: ERR_SHAPE for other images, ERR_ARG for other classes than those to train on. */
function checkAlike(train: Collected, part: Collected, name: string): void {
  const { shape, classes } = train;
  if (part.shape.some((side, i) => side !== shape[i]))
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected images of ${shape.join(' x ')}, as in dataset.train, for dataset.${name} but received ${part.shape.join(' x ')}`,
    );
  const same =
    part.classes?.length === classes?.length && (classes ?? []).every((each, i) => each === part.classes![i]);
  if (!same) throw expected('the classes of dataset.train', `dataset.${name}.classes`, part.classes);
}

/** Names of classes where none are given: the labels themselves, sorted, or the numbers up to the largest. */
function namesOf(parts: readonly Collected[]): string[] {
  const texts = new Set<string>();
  let largest = 0;
  for (const { labels } of parts)
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]!;
      if (typeof label === 'string') texts.add(label);
      else if (label > largest) largest = label;
    }
  if (texts.size > 0) return [...texts].sort((a, b) => (a < b ? -1 : 1));
  if (largest >= MOST_CLASSES) throw expected(`labels below ${MOST_CLASSES}`, 'dataset.train', largest);
  return Array.from({ length: largest + 1 }, (_, i) => String(i));
}

function setOf({ shape, pixels, labels, count }: Collected, classes: readonly string[], name: string): ImageSet {
  return { shape: [...shape], classes: [...classes], pixels, labels: numbersOf(labels, classes, name), count };
}

/** Errors: ERR_ARG for a label that is no class. */
function numbersOf(labels: LabelList, classes: readonly string[], name: string): Int32Array {
  const positions = new Map(classes.map((each, i) => [each, i]));
  return Int32Array.from(labels, (label, i) => {
    const number = typeof label === 'string' ? positions.get(label) : label;
    if (Number.isInteger(number) && number! >= 0 && number! < classes.length) return number!;
    throw expected(`a class from 0 to ${classes.length - 1}, or its name,`, `the label ${i} of ${name}`, label);
  });
}

/** The rows for validation, ascending; undefined where a share is chosen later. */
function rowsAside(
  validation: ProgramDataset['validation'],
  { count }: ImageSet,
  behind: ImageSet | undefined,
): Uint32Array | undefined {
  if (behind !== undefined) return Uint32Array.from({ length: behind.count }, (_, i) => count + i);
  if (validation === undefined || typeof validation === 'number') return undefined;
  const rows = checkTypedArray(validation, 'dataset.validation', 'Uint32Array');
  rows.forEach((row, i) => {
    if (row >= count || (i > 0 && row <= rows[i - 1]!))
      throw expected(`ascending rows below ${count}`, `dataset.validation[${i}]`, row);
  });
  return rows;
}

function statisticsOf({ mean, std }: ProgramDataset, train: ImageSet): { mean: number[]; std: number[] } {
  const found = channelStatistics(train);
  const checked = (values: readonly number[] | undefined, name: string, exclusive: boolean): number[] | undefined => {
    if (values === undefined) return undefined;
    if (!Array.isArray(values) || values.length !== train.shape[0])
      throw expected(`a number per channel (${train.shape[0]})`, name, values, 'ERR_SHAPE');
    return values.map((value, i) => checkNumber(value, `${name}[${i}]`, { min: 0, exclusive }));
  };
  return {
    mean: checked(mean, 'dataset.mean', false) ?? found.mean,
    std: checked(std, 'dataset.std', true) ?? found.std,
  };
}
