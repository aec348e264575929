import { imageSize, type ImageSet, type ImageShape } from './types';

/** The values of every channel, counted as images come. */
export class ChannelHistogram {
  readonly #counts: Uint32Array[];
  readonly #plane: number;

  constructor([channels, height, width]: ImageShape) {
    this.#counts = Array.from({ length: channels }, () => new Uint32Array(256));
    this.#plane = height * width;
  }

  /** Counts the pixels of whole images (n, C, H, W). */
  add(pixels: Uint8Array): void {
    for (let at = 0; at < pixels.length; ) {
      for (const counts of this.#counts) {
        for (const end = at + this.#plane; at < end; at++) counts[pixels[at]!]!++;
      }
    }
  }

  /** Mean and population standard deviation of byte / 255 per channel, as of `channelStatistics`. */
  statistics(): { mean: number[]; std: number[] } {
    const mean: number[] = [];
    const std: number[] = [];
    for (const counts of this.#counts) {
      let total = 0;
      let sum = 0;
      for (let byte = 0; byte < 256; byte++) {
        total += counts[byte]!;
        sum += byte * counts[byte]!;
      }
      const average = total > 0 ? sum / total : 0;
      let squares = 0;
      for (let byte = 0; byte < 256; byte++) squares += counts[byte]! * (byte - average) * (byte - average);
      const deviation = total > 0 ? Math.sqrt(squares / total) : 0;
      mean.push(average / 255);
      std.push(deviation > 0 ? deviation / 255 : 1);
    }
    return { mean, std };
  }
}

/**
 * Mean and population standard deviation of byte / 255, per channel, over all pixels of the set.
 *
 * Counted in a histogram of 256 integers per channel, so the result does not depend on the order of the images. A
 * channel without any variation gets the standard deviation 1: normalising it then yields zeros in place of a division
 * by zero.
 */
export function channelStatistics({ shape, pixels, count }: Pick<ImageSet, 'shape' | 'pixels' | 'count'>): {
  mean: number[];
  std: number[];
} {
  const histogram = new ChannelHistogram(shape);
  histogram.add(pixels.subarray(0, count * imageSize({ shape })));
  return histogram.statistics();
}
