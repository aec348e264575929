// A decoded picture of any size, and its way to the shape a network takes.
import type { ImageShape } from '../types';

export interface Picture {
  width: number;
  height: number;
  channels: 1 | 3;
  /** Interleaved (height, width, channels). */
  data: Uint8Array;
}

/** Which source pixels an output pixel is made of, and their weights (sum 1). */
interface Taps {
  first: number;
  weights: Float64Array;
}

/**
 * Triangle filter of `source` pixels, of which those from `start` on, `extent` long, become `target`. Shrinking widens
 * it to the step (no aliasing), enlarging makes it the linear interpolation, and a step of 1 copies exactly.
 */
function triangleTaps(source: number, start: number, extent: number, target: number): Taps[] {
  const step = extent / target;
  const support = Math.max(1, step);
  return Array.from({ length: target }, (_, i) => {
    const centre = start + (i + 0.5) * step - 0.5;
    const first = Math.max(0, Math.ceil(centre - support));
    const last = Math.min(source - 1, Math.floor(centre + support));
    const weights = new Float64Array(last - first + 1);
    let sum = 0;
    for (let k = 0; k < weights.length; k++)
      sum += weights[k] = Math.max(0, 1 - Math.abs(first + k - centre) / support);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/**
 * The centre part of the picture that has the shape's proportions, resampled to (C, H, W). Colour becomes grey by Rec.
 * 601 weights, grey becomes three equal channels.
 */
export function fitPicture(picture: Picture, shape: ImageShape): Uint8Array {
  const [channels, height, width] = shape;
  const scale = Math.min(picture.width / width, picture.height / height);
  const columns = triangleTaps(picture.width, (picture.width - width * scale) / 2, width * scale, width);
  const rows = triangleTaps(picture.height, (picture.height - height * scale) / 2, height * scale, height);
  const sourceChannels = picture.channels;

  // Only the rows that some output row reads: a strip of 1 x 50 million pixels must not make a giant of this buffer.
  const top = rows[0]!.first;
  const last = rows[height - 1]!;
  const bottom = last.first + last.weights.length;
  const narrow = new Float64Array((bottom - top) * width * sourceChannels);
  for (let y = top; y < bottom; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = columns[x]!;
      for (let c = 0; c < sourceChannels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++)
          sum += weights[k]! * picture.data[(y * picture.width + first + k) * sourceChannels + c]!;
        narrow[((y - top) * width + x) * sourceChannels + c] = sum;
      }
    }
  }
  const out = new Uint8Array(channels * height * width);
  const values = new Float64Array(sourceChannels);
  for (let y = 0; y < height; y++) {
    const { first, weights } = rows[y]!;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < sourceChannels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++)
          sum += weights[k]! * narrow[((first + k - top) * width + x) * sourceChannels + c]!;
        values[c] = sum;
      }
      for (let c = 0; c < channels; c++) {
        const value =
          sourceChannels === channels
            ? values[c]!
            : sourceChannels === 1
              ? values[0]!
              : 0.299 * values[0]! + 0.587 * values[1]! + 0.114 * values[2]!;
        out[(c * height + y) * width + x] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return out;
}
