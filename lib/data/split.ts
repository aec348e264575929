import { checkInteger, checkTypedArray, expected } from '../check';
import { placeOf } from './held';
import { SeededRandom } from './random';
import { imageSize, type ImageSet } from './types';

/** The stream word that keeps the split's random numbers apart from other uses of the same seed. */
const SPLIT_STREAM = 0x73706c74;

/**
 * Divides the images of a set into training and validation: `share` (0 <= share < 1) of every class goes to validation
 * (rounded per class; a class keeps at least one image for training). The division is a function of the seed alone, and
 * both lists of positions ascend.
 *
 * Errors: ERR_ARG if the share is out of range or `set` is no set of images, ERR_SHAPE if its labels are not `count`.
 */
export function splitValidation(
  set: Omit<ImageSet, 'pixels'>,
  share: number,
  seed: number,
): { train: Uint32Array; validation: Uint32Array } {
  if (typeof set !== 'object' || set === null || !Array.isArray(set.classes))
    throw expected('a set of images', 'set', set);
  checkTypedArray(set.labels, 'set.labels', 'Int32Array', checkInteger(set.count, 'set.count', { min: 0 }));
  if (!(typeof share === 'number' && share >= 0 && share < 1))
    throw expected('a number >= 0 and < 1', 'the validation share', share);
  checkInteger(seed, 'seed', { min: 0 });
  const members: number[][] = set.classes.map(() => []);
  for (let i = 0; i < set.count; i++) {
    const label = set.labels[i]!;
    if (members[label] === undefined)
      throw expected(`a class from 0 to ${members.length - 1}`, `set.labels[${i}]`, label);
    members[label].push(i);
  }
  const chosen = new Uint8Array(set.count);
  members.forEach((images, label) => {
    const wanted = Math.min(Math.round(images.length * share), Math.max(0, images.length - 1));
    new SeededRandom(seed, SPLIT_STREAM, label).shuffle(images);
    for (let i = 0; i < wanted; i++) chosen[images[i]!] = 1;
  });
  const everyIndex = Uint32Array.from(chosen.keys());
  return { train: everyIndex.filter((i) => chosen[i] === 0), validation: everyIndex.filter((i) => chosen[i] === 1) };
}

/**
 * How many of the images of a class a share for the test takes: at least one, and not all; none of a single one.
 */
export function countForTest(images: number, share: number): number {
  return images < 2 ? 0 : Math.min(images - 1, Math.max(1, Math.round(images * share)));
}

/**
 * The pixels (n, C, H, W) of the images from row `first` up to `end`, which is not one of them. Errors: ERR_STATE for
 * an image that this process does not hold.
 */
export function pixelsBetween(set: ImageSet, first: number, end: number): Uint8Array {
  const size = imageSize(set);
  if (first >= end) return new Uint8Array(0);
  const place = placeOf(set);
  if (place(end - 1) - place(first) === end - 1 - first)
    return set.pixels.subarray(place(first) * size, (place(end - 1) + 1) * size);
  return selectImages(
    set,
    Uint32Array.from({ length: end - first }, (_, i) => first + i),
  ).pixels;
}

/**
 * The set of some images of another one, in the order of `rows`. Errors: ERR_STATE for one that this process does not
 * hold.
 */
export function selectImages(set: ImageSet, rows: Uint32Array): ImageSet {
  const { shape, classes } = set;
  const size = imageSize(set);
  const place = placeOf(set);
  const pixels = new Uint8Array(rows.length * size);
  rows.forEach((row, i) => pixels.set(set.pixels.subarray(place(row) * size, (place(row) + 1) * size), i * size));
  const labels = Int32Array.from(rows, (row) => set.labels[row]!);
  return { shape, classes, pixels, labels, count: rows.length };
}

/** The images of both sets, of one shape and the same classes, one set behind the other. */
export function joinSets(first: ImageSet, second: ImageSet): ImageSet {
  const pixels = new Uint8Array(first.pixels.length + second.pixels.length);
  pixels.set(first.pixels);
  pixels.set(second.pixels, first.pixels.length);
  const labels = new Int32Array(first.count + second.count);
  labels.set(first.labels);
  labels.set(second.labels, first.count);
  return { ...first, pixels, labels, count: labels.length };
}
