/** Pictures in one folder per class: DIR/train/CLASS/* and DIR/test/CLASS/*, or DIR/CLASS/* split here. */
import { readdir } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';

import { OneSpikeError } from '../../errors';
import { absolutePath } from '../../io/paths';
import { ioError } from '../../io/system-error';
import { dataDirectory, statOrNull, throwIfAborted } from '../files';
import { loadImage } from '../pictures/image';
import { SeededRandom } from '../random';
import type { ImageSet, ImageShape, LoadOptions } from '../types';

const extensions = new Set(['.png', '.jpg', '.jpeg', '.webp', '.ppm', '.pgm']);

/** Stream words: the order of the train and test images, and the split. */
const orderStream = 0x6f726472;
const splitStream = 0x666f6c64;

/** A Uint8Array of this many bytes is still made everywhere that Node 20 runs. */
const maxBytes = 2 ** 32 - 1;

interface Item {
  path: string;
  label: number;
}

/** Names in code point order, which no locale changes. Hidden entries do not count. */
async function listNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory))
      .filter((name) => !name.startsWith('.'))
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  } catch (error) {
    throw ioError('read', directory, error);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await statOrNull(path))?.isDirectory() ?? false;
}

/** Whether a folder without pictures is that of a run, holds runs (as `runs/` does), or is to be left out or holds what is. */
async function isOfRuns(folder: string, leaveOut: readonly string[]): Promise<boolean> {
  if (leaveOut.some((path) => path === folder || path.startsWith(folder + sep))) return true;
  const below = [folder, ...(await listNames(folder)).map((name) => join(folder, name))];
  const found = await Promise.all(below.map((path) => statOrNull(join(path, 'run.json'))));
  return found.some((status) => status?.isFile());
}

/** Class name -> its picture files; every class has at least one. */
async function listClasses(directory: string, leaveOut: readonly string[] = []): Promise<Map<string, string[]>> {
  const classes = new Map<string, string[]>();
  for (const name of await listNames(directory)) {
    const folder = join(directory, name);
    if (!(await isFolder(folder))) continue;
    const files = (await listNames(folder))
      .filter((file) => extensions.has(extname(file).toLowerCase()))
      .map((file) => join(folder, file));
    if (files.length === 0 && (await isOfRuns(folder, leaveOut))) continue;
    if (files.length === 0) {
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected at least one picture (${[...extensions].join(' ')}) in ${folder} but received none`,
      );
    }
    classes.set(name, files);
  }
  return classes;
}

async function readItems(items: Item[], classes: string[], shape: ImageShape, signal?: AbortSignal): Promise<ImageSet> {
  const size = shape[0] * shape[1] * shape[2];
  if (items.length * size > maxBytes) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected at most ${maxBytes} bytes of pixels but received ${items.length} images of ${size}; choose a smaller size or fewer images`,
    );
  }
  const pixels = new Uint8Array(items.length * size);
  // A few at a time: sharp decodes on its own threads, and a folder of 100,000 files must not be opened at once.
  for (let begin = 0; begin < items.length; begin += 8) {
    throwIfAborted(signal, 'loading a folder of pictures');
    await Promise.all(
      items
        .slice(begin, begin + 8)
        .map(async ({ path }, i) => pixels.set(await loadImage(path, shape, { signal }), (begin + i) * size)),
    );
  }
  return {
    shape: [...shape],
    classes: [...classes],
    pixels,
    labels: Int32Array.from(items, ({ label }) => label),
    count: items.length,
  };
}

/**
 * Loads pictures as (3, size, size). Classes are sorted by name; the images come in a random order that the seed fixes, so that
 * `trainCount` keeps some of every class. An unsplit folder gives `testShare` of each class (at least one of two) to the test part.
 *
 * @throws ERR_ARG without a folder, ERR_IO if it cannot be read, ERR_FORMAT if a picture or the layout is wrong, ERR_ABORTED
 */
export async function loadFolder(options: LoadOptions): Promise<{ train: ImageSet; test: ImageSet }> {
  if (options.directory === undefined && !process.env.ONESPIKE_DATA) {
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected a folder of pictures for directory (--data DIR) but received undefined',
    );
  }
  const directory = await dataDirectory('folder', options.directory);
  const seed = options.seed ?? 0;
  const split = (await isFolder(join(directory, 'train'))) && (await isFolder(join(directory, 'test')));
  const leaveOut = (options.leaveOut ?? []).map((path) => absolutePath(path));
  const trainClasses = await listClasses(split ? join(directory, 'train') : directory, leaveOut);
  const classes = [...trainClasses.keys()];
  if (classes.length < 2) {
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected at least two class folders (or train/CLASS and test/CLASS) in ${directory} but received ${classes.length}`,
    );
  }

  const train: Item[] = [];
  const test: Item[] = [];
  classes.forEach((name, label) => {
    const items = (trainClasses.get(name) as string[]).map((path) => ({ path, label }));
    if (split) {
      train.push(...items);
      return;
    }
    const taken =
      items.length < 2
        ? 0
        : Math.min(items.length - 1, Math.max(1, Math.round(items.length * (options.testShare ?? 0.2))));
    const order = new SeededRandom(seed, splitStream, label).shuffle(items.map((_, i) => i));
    order.forEach((i, position) => (position < taken ? test : train).push(items[i]));
  });
  if (split) {
    for (const [name, paths] of await listClasses(join(directory, 'test'), leaveOut)) {
      const label = classes.indexOf(name);
      if (label < 0)
        throw new OneSpikeError(
          'ERR_FORMAT',
          `Expected the classes of ${join(directory, 'train')} in ${join(directory, 'test')} but received ${name}`,
        );
      test.push(...paths.map((path) => ({ path, label })));
    }
  }
  if (test.length === 0)
    throw new OneSpikeError('ERR_FORMAT', `Expected at least one test picture in ${directory} but received none`);

  const arrange = (items: Item[], part: number, keep: number | undefined): Item[] =>
    new SeededRandom(seed, orderStream, part)
      .shuffle(items.map((_, i) => i))
      .slice(0, keep)
      .map((i) => items[i]);
  const size = options.size ?? 32;
  const shape: ImageShape = [3, size, size];
  return {
    train: await readItems(arrange(train, 0, options.trainCount), classes, shape, options.signal),
    test: await readItems(arrange(test, 1, options.testCount), classes, shape, options.signal),
  };
}
