/** Pictures of one's own in one folder per class: DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/* split here. */
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { findPictures, type Item, type Part } from '../formats/folder-parts';
import { readPictures } from '../formats/picture-files';
import { SeededRandom } from '../random';
import type { ImageShape, LoadedParts, LoadOptions } from '../types';
import { cropsAndFlips, nothingToDownload, smallNetwork, type DataSource, type Located } from './source';

/** Stream words: the order of the images, and of each part. */
const orderStream = 0x6f726472;
const partStreams: Record<Part, number> = { train: 0, test: 1, validation: 2 };

export const folder: DataSource = {
  info: {
    title: 'Pictures of your own: DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS',
    homepage: '',
    licence: 'Yours',
    citation: '',
    shape: null,
    classes: null,
    counts: null,
  },
  kind: 'own',
  download: nothingToDownload,
  options: ['directory', 'seed', 'trainCount', 'testCount', 'size', 'testShare', 'skipUnreadable', 'exclude'],
  locate,
  load,
  // Few pictures, as a rule: at full width ten of them train a network of 50 million parameters, and the run takes a gigabyte.
  recipe: {
    model: { ...smallNetwork, dropout: 0.1 },
    ann: { epochs: 30, augment: cropsAndFlips },
    snn: { epochs: 20, augment: cropsAndFlips },
  },
};

async function locate(directory: string): Promise<Located> {
  try {
    const { classes, items } = await findPictures(directory, {});
    const { train, test, validation } = items;
    return {
      present: true,
      paths: [],
      classes,
      counts: { train: train.length + validation.length, test: test.length },
    };
  } catch (error) {
    if (isOneSpikeError(error)) return { present: false, paths: [] };
    throw error;
  }
}

/**
 * Loads pictures as (3, size, size). Classes are sorted by name; the images come in a random order that the seed fixes, so that
 * `trainCount` keeps some of every class. An unsplit folder gives `testShare` of each class (at least one of two) to the test part.
 */
async function load(directory: string, options: LoadOptions): Promise<LoadedParts> {
  const { seed = 0, size = 32, trainCount, testCount, skipUnreadable = false, signal } = options;
  const { classes, items, warnings } = await findPictures(directory, options);
  const arrange = (part: Part, keep?: number): Item[] =>
    new SeededRandom(seed, orderStream, partStreams[part])
      .shuffle(items[part].map((_, i) => i))
      .slice(0, keep)
      .map((i) => items[part][i]!);
  const shape: ImageShape = [3, size, size];
  const reading = { shape, classes, skipUnreadable, signal };
  const training = arrange('train', trainCount);
  const aside = arrange('validation');
  // The rows that are set aside for validation come behind those to train on.
  const train = await readPictures([...training, ...aside], reading);
  const test = await readPictures(arrange('test', testCount), reading);
  for (const [part, { set }] of [
    ['training', train],
    ['test', test],
  ] as const)
    if (set.count === 0)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected a ${part} picture in ${directory} that can be read but received none`,
      );
  const asideRows = train.positions.flatMap((position, row) => (position >= training.length ? [row] : []));
  return {
    train: train.set,
    test: test.set,
    ...(aside.length > 0 ? { validation: Uint32Array.from(asideRows) } : {}),
    warnings: [...warnings, ...train.warnings, ...test.warnings],
  };
}
