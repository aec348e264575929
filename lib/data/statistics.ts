import type { ImageSet } from './types';

/**
 * Mean and population standard deviation of byte / 255, per channel, over all pixels of the set.
 *
 * Counted in a histogram of 256 integers per channel, so the result does not depend on the order of the images. A channel
 * without any variation gets the standard deviation 1: normalising it then yields zeros in place of a division by zero.
 */
export function channelStatistics(set: Pick<ImageSet, 'shape' | 'pixels' | 'count'>): {
  mean: number[];
  std: number[];
} {
  const [channels, height, width] = set.shape;
  const plane = height * width;
  const histograms = Array.from({ length: channels }, () => new Uint32Array(256));
  for (let image = 0, at = 0; image < set.count; image++) {
    for (const histogram of histograms) {
      for (const end = at + plane; at < end; at++) histogram[set.pixels[at]!]!++;
    }
  }
  const mean: number[] = [];
  const std: number[] = [];
  for (const histogram of histograms) {
    let total = 0;
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) {
      total += histogram[byte]!;
      sum += byte * histogram[byte]!;
    }
    const average = total > 0 ? sum / total : 0;
    let squares = 0;
    for (let byte = 0; byte < 256; byte++) squares += histogram[byte]! * (byte - average) * (byte - average);
    const deviation = total > 0 ? Math.sqrt(squares / total) : 0;
    mean.push(average / 255);
    std.push(deviation > 0 ? deviation / 255 : 1);
  }
  return { mean, std };
}
