// The pictures that were found in a folder, as images.
import { OneSpikeError } from '../../../errors';
import { openPicture } from '../../pictures/image';
import type { Keep, KnownImages } from '../../held';
import { SeededRandom } from '../../random';
import type { ImageShape, LoadedParts, LoadOptions } from '../../types';
import { readPictures, type Pictures as PicturesRead, type PictureSource, type Reading } from '../pictures';
import type { Item, Part, Pictures } from './parts';

/** Stream words: the order of the images, and of each part. */
const ORDER_STREAM = 0x6f726472;
const partStreams: Record<Part, number> = { train: 0, test: 1, validation: 2 };

/**
 * Loads pictures as (3, size, size). The images come in a random order that the seed fixes, so that `trainCount` keeps
 * some of every class.
 * Errors: those of `readPictures`; ERR_FORMAT for a part without any picture that can be read.
 */
export async function loadFound(
  directory: string,
  { classes, items, warnings }: Pictures,
  options: LoadOptions,
  keep?: Keep,
): Promise<LoadedParts> {
  const { seed = 0, size = 32, trainCount, testCount, skipUnreadable = false, mixedSizes = 'resize', signal } = options;
  const arrange = (part: Part, keep?: number): Item[] =>
    new SeededRandom(seed, ORDER_STREAM, partStreams[part])
      .shuffle(items[part].map((_, i) => i))
      .slice(0, keep)
      .map((i) => items[part][i]!);
  const shape: ImageShape = [3, size, size];
  const reading: Reading = { shape, classes, skipUnreadable, mixedSizes, signal };
  const training = arrange('train', trainCount);
  const aside = arrange('validation');
  const testing = arrange('test', testCount);
  // The rows that are set aside for validation come behind those to train on.
  const all = [...training, ...aside];
  const asideFirst = training.length;
  const known = { train: knownImages(all, reading), test: knownImages(testing, reading) };
  const validation = Uint32Array.from(aside, (_, i) => asideFirst + i);
  // Where pictures may be left out, rows are known only when all of them have been read.
  const rows = skipUnreadable ? undefined : keep?.({ ...known, ...(aside.length > 0 ? { validation } : {}) });
  const read = (part: 'train' | 'test', items: readonly Item[]): Promise<PicturesRead> =>
    readPictures(items.map(sourceOf), items.length, reading, rows && { known: known[part], rows: rows[part] });
  const train = await read('train', all);
  const test = await read('test', testing);
  for (const [part, { set }] of [
    ['training', train],
    ['test', test],
  ] as const)
    if (set.count === 0)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a ${part} picture in ${directory} that can be read but received none`,
      );
  const asideRows = train.positions.flatMap((position, row) => (position >= asideFirst ? [row] : []));
  return {
    train: train.set,
    test: test.set,
    ...(aside.length > 0 ? { validation: Uint32Array.from(asideRows) } : {}),
    warnings: [...warnings, ...train.warnings, ...test.warnings],
  };
}

const knownImages = (items: readonly Item[], { shape, classes }: Reading): KnownImages => ({
  shape: [...shape],
  classes: [...classes],
  labels: Int32Array.from(items, ({ label }) => label),
  count: items.length,
});

const sourceOf = ({ path, label }: Item): PictureSource => ({
  place: path,
  label,
  open: (signal) => openPicture(path, signal),
});
