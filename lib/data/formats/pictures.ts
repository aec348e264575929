// Pictures decoded into the images of a data set, a few at a time.
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { throwIfAborted } from '../files';
import { HeldReader, type KnownImages } from '../held';
import { fitPicture, type Picture } from '../pictures/picture';
import { imageSize, MOST_BYTES, type DataWarning, type ImageSet, type ImageShape, type MixedSizes } from '../types';

/** One picture that can be decoded. */
export interface PictureSource {
  /** Where it is, for messages. */
  place: string;
  label: number;
  open(signal: AbortSignal | undefined): Promise<Picture>;
}

export interface Reading {
  shape: ImageShape;
  classes: readonly string[];
  /** Leave out what cannot be read. */
  skipUnreadable: boolean;
  mixedSizes: MixedSizes;
  signal: AbortSignal | undefined;
}

/** What is kept of pictures that are all read. */
export interface Kept {
  known: KnownImages;
  rows: Uint32Array;
}

/** After so many pictures that cannot be read, reading stops. */
const MOST_NAMED = 5;
/** Pictures at once: sharp decodes on its own threads, and a folder of 100,000 files must not be opened at once. */
const AT_ONCE = 8;

/** The images of some pictures, and of each the position of its picture. */
export interface Pictures {
  set: ImageSet;
  positions: number[];
  /** What was left out. */
  warnings: DataWarning[];
}

/**
 * Decodes `total` pictures in their order. With `kept` all of them can be read, and the set holds some of them.
 * Errors: ERR_FORMAT or ERR_IO for pictures that cannot be read, unless they are to be left out; ERR_FORMAT for one of
 * another size where that is refused; ERR_ARG if the images do not fit into one array; ERR_ABORTED.
 */
export async function readPictures(
  sources: Iterable<PictureSource> | AsyncIterable<PictureSource>,
  total: number,
  { shape, classes, skipUnreadable, mixedSizes, signal }: Reading,
  kept?: Kept,
): Promise<Pictures> {
  const size = imageSize({ shape });
  const most = kept?.rows.length ?? total;
  if (most * size > MOST_BYTES) {
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected at most ${MOST_BYTES} bytes of pixels but received ${most} images of ${size}; ` +
        'choose a smaller size or fewer images',
    );
  }
  const reader = kept === undefined ? undefined : new HeldReader(kept.known, kept.rows);
  const pixels = new Uint8Array(reader === undefined ? total * size : 0);
  const positions: number[] = [];
  const labels: number[] = [];
  const refused: OneSpikeError[] = [];
  const sizes = mixedSizes === 'refuse' ? new OneSize() : undefined;
  let begin = 0;
  for await (const group of groupsOf(sources)) {
    throwIfAborted(signal, 'loading pictures');
    const results = await Promise.all(group.map((source) => openOne(source, signal)));
    results.forEach((result, i) => {
      if (result instanceof OneSpikeError) {
        refused.push(result);
        return;
      }
      sizes?.check(result, group[i]!.place);
      const fitted = fitPicture(result, shape);
      if (reader === undefined) pixels.set(fitted, positions.length * size);
      else reader.add(fitted);
      positions.push(begin + i);
      labels.push(group[i]!.label);
    });
    begin += group.length;
    if (!skipUnreadable && refused.length >= MOST_NAMED) break;
  }
  if (refused.length > 0 && !skipUnreadable) throw summary(refused);
  const count = positions.length;
  return {
    set: reader?.images() ?? {
      shape: [...shape],
      classes: [...classes],
      pixels: count === total ? pixels : pixels.slice(0, count * size),
      labels: Int32Array.from(labels),
      count,
    },
    positions,
    warnings: refused.length === 0 ? [] : [{ code: 'DATA_LEFT_OUT', message: `left out: ${reasons(refused)}` }],
  };
}

async function* groupsOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncGenerator<T[], void> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < AT_ONCE) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** The size of the first picture, which all others must have. */
class OneSize {
  #first: { width: number; height: number; place: string } | undefined;

  check({ width, height }: Picture, place: string): void {
    this.#first ??= { width, height, place };
    const first = this.#first;
    if (width === first.width && height === first.height) return;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected pictures of one size (mixedSizes is refuse), ${first.width}x${first.height} as ${first.place}, but received ` +
        `${width}x${height} in ${place}; dataset.mixedSizes=resize fits each one to the images`,
    );
  }
}

/** The picture, or why it cannot be read. */
async function openOne(source: PictureSource, signal?: AbortSignal): Promise<Picture | OneSpikeError> {
  try {
    return await source.open(signal);
  } catch (error) {
    if (isOneSpikeError(error) && (error.code === 'ERR_FORMAT' || error.code === 'ERR_IO')) return error;
    throw error;
  }
}

function reasons(refused: readonly OneSpikeError[]): string {
  const named = refused.slice(0, MOST_NAMED).map(({ message }) => message);
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
