// Parquet files of pictures as images.
import { describeValue } from '../../../check';
import { OneSpikeError } from '../../../errors';
import { decodePicture } from '../../pictures/image';
import { SeededRandom } from '../../random';
import { countForTest } from '../../split';
import { MOST_CLASSES, type DataWarning, type ImageShape, type LoadedParts, type LoadOptions } from '../../types';
import { readPictures, type Pictures, type PictureSource, type Reading } from '../pictures';
import { openParquet, readGroup, type ParquetFile } from './file';
import { findParquet, type ParquetPart } from './find';
import { loadHyparquet, type Hyparquet } from './hyparquet';

/** The stream word of the split of a set that is not divided. */
const SPLIT_STREAM = 0x70617271;
/** Pictures of at most this side keep their own size where no other is asked for. */
const LARGEST_OWN_SIDE = 64;

/** Some rows of some files, ascending, with their labels. */
interface Rows {
  files: ParquetFile[];
  /** Rows counted through all files. */
  rows: number[];
  labels: number[];
}

export async function loadParquet(directory: string, options: LoadOptions): Promise<LoadedParts> {
  const { trainCount, testCount, size, skipUnreadable = false, mixedSizes = 'resize', signal } = options;
  const found = await findParquet(directory);
  const hyparquet = await loadHyparquet([...found.values()][0]![0]!);
  const warnings: DataWarning[] = [];
  const { parts, classes } = await rowsOfParts(found, options, hyparquet);
  const validation = parts.get('validation');
  if (!parts.has('test') && validation !== undefined) {
    parts.delete('validation');
    parts.set('test', validation);
    warnings.push({
      code: 'DATA_LAYOUT',
      message: `${directory} has no test files: those for validation are used as the test part`,
    });
  }
  const [train, test, aside] = (['train', 'test', 'validation'] as const).map((part) => parts.get(part));
  const shape = await shapeOf(train!, size, hyparquet);
  const reading: Reading = { shape, classes, skipUnreadable, mixedSizes, signal };
  const read = (wanted: Rows[], count = Infinity): Promise<Pictures> => {
    const total = wanted.reduce((sum, { rows }) => sum + rows.length, 0);
    return readPictures(firstOf(wanted, hyparquet, count), Math.min(total, count), reading);
  };
  const first = firstRows(train!, trainCount);
  const training = await read(aside === undefined ? [first] : [first, aside]);
  const testing = await read([test!], testCount);
  for (const { set } of [training, testing])
    if (set.count === 0)
      throw new OneSpikeError('ERR_FORMAT', `Expected pictures in ${directory} that can be read but received none`);
  const rows = training.positions.flatMap((position, row) => (position >= first.rows.length ? [row] : []));
  return {
    train: training.set,
    test: testing.set,
    ...(aside === undefined ? {} : { validation: Uint32Array.from(rows) }),
    warnings: [...warnings, ...training.warnings, ...testing.warnings],
  };
}

/** The rows of every part, and the classes that their labels are positions of. */
async function rowsOfParts(
  found: Map<ParquetPart | undefined, string[]>,
  options: LoadOptions,
  hyparquet: Hyparquet,
): Promise<{ parts: Map<ParquetPart, Rows>; classes: string[] }> {
  const opened = new Map<ParquetPart | undefined, { files: ParquetFile[]; labels: unknown[] }>();
  for (const [part, paths] of found) {
    const files: ParquetFile[] = [];
    for (const path of paths) files.push(await openParquet(path, hyparquet));
    opened.set(part, { files, labels: await labelsOf(files, hyparquet) });
  }
  const every = [...opened.values()];
  const classes = every[0]!.files[0]!.classes ?? classesOf(every.flatMap(({ labels }) => labels));
  const parts = new Map<ParquetPart, Rows>();
  for (const [part, { files, labels }] of opened) {
    const numbers = labels.map((label, row) => numberOf(label, row, classes, files[0]!.path));
    const all = { files, rows: numbers.map((_, row) => row), labels: numbers };
    if (part !== undefined) parts.set(part, all);
    else for (const [half, rows] of divided(all, classes.length, options)) parts.set(half, rows);
  }
  if (!parts.has('test') && !parts.has('validation'))
    for (const [half, rows] of divided(parts.get('train')!, classes.length, options)) parts.set(half, rows);
  return { parts, classes };
}

async function labelsOf(files: readonly ParquetFile[], hyparquet: Hyparquet): Promise<unknown[]> {
  const labels: unknown[] = [];
  for (const file of files)
    for (let group = 0; group + 1 < file.bounds.length; group++)
      for (const { label } of await readGroup(file, group, false, hyparquet)) labels.push(plain(label));
  return labels;
}

/** A label as a number or a text. */
function plain(label: unknown): unknown {
  if (typeof label === 'bigint') return Number(label);
  return label instanceof Uint8Array ? Buffer.from(label).toString('utf8') : label;
}

/** The texts, sorted, or the numbers up to the largest. */
function classesOf(labels: readonly unknown[]): string[] {
  const texts = new Set(labels.filter((label) => typeof label === 'string'));
  if (texts.size > 0) return [...texts].sort((a, b) => (a < b ? -1 : 1));
  let largest = 0;
  for (const label of labels) if (typeof label === 'number' && label > largest && label < MOST_CLASSES) largest = label;
  return Array.from({ length: Math.floor(largest) + 1 }, (_, i) => String(i));
}

function numberOf(label: unknown, row: number, classes: readonly string[], path: string): number {
  const number = typeof label === 'string' ? classes.indexOf(label) : label;
  if (Number.isInteger(number) && (number as number) >= 0 && (number as number) < classes.length)
    return number as number;
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected a class from 0 to ${classes.length - 1} in row ${row} from ${path} on but received ${describeValue(label)}`,
  );
}

/** A share of each class for the test, chosen by the seed. */
function divided(all: Rows, classes: number, { seed = 0, testShare = 0.2 }: LoadOptions): [ParquetPart, Rows][] {
  const members = Array.from({ length: classes }, (): number[] => []);
  for (const row of all.rows) members[all.labels[row]!]!.push(row);
  const chosen = new Set<number>();
  members.forEach((rows, label) => {
    const shuffled = new SeededRandom(seed, SPLIT_STREAM, label).shuffle(rows);
    for (const row of shuffled.slice(0, countForTest(rows.length, testShare))) chosen.add(row);
  });
  const half = (isTest: boolean): Rows => {
    const rows = all.rows.filter((row) => chosen.has(row) === isTest);
    return { files: all.files, rows, labels: rows.map((row) => all.labels[row]!) };
  };
  return [
    ['train', half(false)],
    ['test', half(true)],
  ];
}

function firstRows({ files, rows, labels }: Rows, count = Infinity): Rows {
  return { files, rows: rows.slice(0, count), labels: labels.slice(0, count) };
}

/** The pictures of some rows, one group of rows in memory at a time. */
async function* sourcesOf({ files, rows, labels }: Rows, hyparquet: Hyparquet): AsyncGenerator<PictureSource, void> {
  let next = 0;
  let base = 0;
  for (const file of files) {
    for (let group = 0; group + 1 < file.bounds.length && next < rows.length; group++) {
      const [start, end] = [base + file.bounds[group]!, base + file.bounds[group + 1]!];
      if (rows[next]! >= end) continue;
      const read = await readGroup(file, group, true, hyparquet);
      for (; next < rows.length && rows[next]! < end; next++) {
        const { bytes, place } = read[rows[next]! - start]!;
        yield { place, label: labels[next]!, open: async () => decode(bytes, place) };
      }
    }
    base += file.rows;
  }
}

async function* firstOf(
  wanted: readonly Rows[],
  hyparquet: Hyparquet,
  count: number,
): AsyncGenerator<PictureSource, void> {
  let given = 0;
  for (const rows of wanted)
    for await (const source of sourcesOf(rows, hyparquet)) {
      if (given++ >= count) return;
      yield source;
    }
}

function decode(bytes: Uint8Array | undefined, place: string): ReturnType<typeof decodePicture> {
  if (bytes === undefined)
    throw new OneSpikeError('ERR_FORMAT', `Expected the bytes of a picture in ${place} but received none`);
  return decodePicture(bytes, place);
}

/** That of the first picture: its channels, and its own size where that is small and no other is asked for. */
async function shapeOf(rows: Rows, size: number | undefined, hyparquet: Hyparquet): Promise<ImageShape> {
  for await (const source of sourcesOf(rows, hyparquet)) {
    const picture = await source.open(undefined).catch(() => undefined);
    if (picture === undefined) continue;
    const { width, height, channels } = picture;
    const own = Math.max(width, height) <= LARGEST_OWN_SIDE;
    return size === undefined && own ? [channels, height, width] : [channels, size ?? 32, size ?? 32];
  }
  return [3, size ?? 32, size ?? 32];
}
