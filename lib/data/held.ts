// Sets of which this process keeps some images in memory, though it has seen all of them.
import { OneSpikeError } from '../errors';
import { ImageHash } from './hash';
import { ChannelHistogram } from './statistics';
import { imageSize, type ImageSet, type LoadedParts } from './types';

/** What is known of a set before its images are read. */
export type KnownImages = Omit<ImageSet, 'pixels'>;

/** What is known of all parts of a data set. */
export interface KnownParts extends Pick<LoadedParts, 'validation'> {
  train: KnownImages;
  test: KnownImages;
}

/** Chooses the rows of each part, ascending, whose images are kept. */
export type Keep = (known: KnownParts) => { train: Uint32Array; test: Uint32Array };

/** A set whose `pixels` are those of some rows, one after the other; labels and `count` are those of all. */
export interface HeldImages extends ImageSet {
  held: {
    /** The rows, ascending. */
    rows: Uint32Array;
    /** The hash of all images, and the mean and the deviation of every channel over all of them. */
    hash: string;
    statistics: ReturnType<ChannelHistogram['statistics']>;
  };
}

/** What is told of a set that is held in part; undefined for one that is whole. */
export function heldPart(set: ImageSet): HeldImages['held'] | undefined {
  return 'held' in set ? (set as HeldImages).held : undefined;
}

/** Takes the images of a set as they are read, in their order, and keeps some of them. */
export class HeldReader {
  readonly #hash: ImageHash;
  readonly #histogram: ChannelHistogram;
  readonly #pixels: Uint8Array;
  readonly #size: number;
  /** The next row, and how many of `rows` lie before it. */
  #row = 0;
  #kept = 0;

  constructor(
    private readonly known: KnownImages,
    private readonly rows: Uint32Array,
  ) {
    this.#size = imageSize(known);
    this.#pixels = new Uint8Array(rows.length * this.#size);
    this.#hash = new ImageHash(known);
    this.#histogram = new ChannelHistogram(known.shape);
  }

  /** The next images (n, C, H, W). */
  add(pixels: Uint8Array): void {
    this.#hash.add(pixels);
    this.#histogram.add(pixels);
    for (let at = 0; at < pixels.length; at += this.#size, this.#row++) {
      if (this.rows[this.#kept] !== this.#row) continue;
      this.#pixels.set(pixels.subarray(at, at + this.#size), this.#kept * this.#size);
      this.#kept++;
    }
  }

  images(): HeldImages {
    const [hash, statistics] = [this.#hash.digest(), this.#histogram.statistics()];
    return { ...this.known, pixels: this.#pixels, held: { rows: this.rows, hash, statistics } };
  }
}

/** The parts of a data set with the images that are kept; those of a format that is read whole are dropped here. */
export function heldParts(parts: LoadedParts, keep: Keep): LoadedParts {
  if (heldPart(parts.train) !== undefined) return parts;
  const { train, test } = keep(parts);
  return { ...parts, train: heldImages(parts.train, train), test: heldImages(parts.test, test) };
}

function heldImages(set: ImageSet, rows: Uint32Array): HeldImages {
  const reader = new HeldReader(set, rows);
  reader.add(set.pixels);
  return reader.images();
}

/** The place of a row among those whose pixels are there. Errors: ERR_STATE for a row that is not held. */
export function placeOf(set: ImageSet): (row: number) => number {
  const held = heldPart(set);
  if (held === undefined) return (row) => row;
  return (row) => {
    let [place, end] = [0, held.rows.length];
    while (place < end) {
      const middle = (place + end) >>> 1;
      if (held.rows[middle]! < row) place = middle + 1;
      else end = middle;
    }
    if (held.rows[place] !== row)
      throw new OneSpikeError('ERR_STATE', `Expected an image that this process holds but received row ${row}`);
    return place;
  };
}
