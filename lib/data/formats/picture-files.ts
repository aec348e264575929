/** Picture files read into the images of a data set. */
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { throwIfAborted } from '../files';
import { loadImage } from '../pictures/image';
import { mostBytes, type DataWarning, type ImageSet, type ImageShape } from '../types';
import type { Item } from './folder-parts';

interface Reading {
  shape: ImageShape;
  classes: string[];
  /** Leave out what cannot be read. */
  skipUnreadable: boolean;
  signal: AbortSignal | undefined;
}

/** After so many pictures that cannot be read, reading stops. */
const mostNamed = 5;

/** The images of some files, and of each the position of its file in the list. */
export interface Pictures {
  set: ImageSet;
  positions: number[];
  /** What was left out. */
  warnings: DataWarning[];
}

/**
 * Reads the pictures of `items` in their order.
 * Errors: ERR_FORMAT or ERR_IO for pictures that cannot be read, unless they are to be left out; ERR_ARG if the images do not fit into
 * one array; ERR_ABORTED.
 */
export async function readPictures(
  items: readonly Item[],
  { shape, classes, skipUnreadable, signal }: Reading,
): Promise<Pictures> {
  const size = shape[0] * shape[1] * shape[2];
  if (items.length * size > mostBytes) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected at most ${mostBytes} bytes of pixels but received ${items.length} images of ${size}; choose a smaller size or fewer images`,
    );
  }
  const pixels = new Uint8Array(items.length * size);
  const positions: number[] = [];
  const refused: OneSpikeError[] = [];
  // A few at a time: sharp decodes on its own threads, and a folder of 100,000 files must not be opened at once.
  for (let begin = 0; begin < items.length; begin += 8) {
    throwIfAborted(signal, 'loading a folder of pictures');
    const group = items.slice(begin, begin + 8);
    const results = await Promise.all(group.map(({ path }) => readOne(path, shape, signal)));
    for (const [i, result] of results.entries()) {
      if (result instanceof OneSpikeError) refused.push(result);
      else {
        pixels.set(result, positions.length * size);
        positions.push(begin + i);
      }
    }
    if (!skipUnreadable && refused.length >= mostNamed) break;
  }
  if (refused.length > 0 && !skipUnreadable) throw summary(refused);
  const count = positions.length;
  return {
    set: {
      shape: [...shape],
      classes: [...classes],
      pixels: count === items.length ? pixels : pixels.slice(0, count * size),
      labels: Int32Array.from(positions, (position) => items[position]!.label),
      count,
    },
    positions,
    warnings: refused.length === 0 ? [] : [{ code: 'DATA_LEFT_OUT', message: `left out: ${reasons(refused)}` }],
  };
}

/** The picture, or why it cannot be read. */
async function readOne(path: string, shape: ImageShape, signal?: AbortSignal): Promise<Uint8Array | OneSpikeError> {
  try {
    return await loadImage(path, shape, { signal });
  } catch (error) {
    if (isOneSpikeError(error) && (error.code === 'ERR_FORMAT' || error.code === 'ERR_IO')) return error;
    throw error;
  }
}

function reasons(refused: readonly OneSpikeError[]): string {
  const named = refused.slice(0, mostNamed).map(({ message }) => message);
  const more = refused.length - named.length;
  return `${refused.length} unreadable picture${refused.length === 1 ? '' : 's'}: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function summary(refused: readonly OneSpikeError[]): OneSpikeError {
  const [first] = refused as [OneSpikeError];
  const others = refused.slice(1).map(({ message }) => message);
  const list = others.length === 0 ? '' : `; also: ${others.join('; ')}`;
  return new OneSpikeError(
    first.code,
    `${first.message}${list}. Mend or remove what is broken, or leave it out by dataset.skipUnreadable=true`,
    { cause: first },
  );
}
