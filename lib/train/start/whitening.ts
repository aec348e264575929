// Weights of a first layer that whitens the patches which it reads (docs/MATHEMATICS.md, "Initial weights").
import type { ImageSet } from '../../data';
import { isNormalised, type ResolvedLayer, type ResolvedNetwork } from '../../model/description';
import { Pace } from '../../model/scan';
import { eigenOf } from './eigen';

/** What is added to every eigenvalue: a direction in which patches hardly differ is noise. */
const EPSILON = 5e-4;

/**
 * The weights (out, C, kernel, kernel) of `layer`, the first one, from images; rows that are left over keep `weights`.
 */
export async function whitened(
  network: ResolvedNetwork,
  layer: ResolvedLayer,
  images: Pick<ImageSet, 'pixels'>,
  rows: Uint32Array,
  weights: Float32Array,
): Promise<Float32Array> {
  const pace = new Pace();
  const size = network.input[0] * layer.kernel ** 2;
  const { values, vectors } = await eigenOf(await covariance(network, layer.kernel, images, rows, pace), size, pace);
  const result = Float32Array.from(weights);
  for (let row = 0; row < Math.min(layer.out, 2 * size); row++) {
    const direction = row >> 1;
    // A rounding error may leave the smallest ones below zero.
    const scale = (row % 2 === 0 ? 1 : -1) / Math.sqrt(Math.max(0, values[direction]!) + EPSILON);
    vectors[direction]!.forEach((value, i) => (result[row * size + i] = scale * value));
  }
  return result;
}

/**
 * The mean of x xᵀ over all patches of these images that lie within them, x being the values that the network reads.
 */
async function covariance(
  { input: [channels, height, width], mean, std, encoder }: ResolvedNetwork,
  kernel: number,
  { pixels }: Pick<ImageSet, 'pixels'>,
  rows: Uint32Array,
  pace: Pace,
): Promise<Float64Array> {
  const size = channels * kernel ** 2;
  const sums = new Float64Array(size * size);
  const patch = new Float64Array(size);
  const normalised = isNormalised({ encoder });
  const value = (byte: number, c: number): number => (normalised ? (byte / 255 - mean[c]!) / std[c]! : byte / 255);
  for (const row of rows)
    for (let y = 0; y + kernel <= height; y++) {
      await pace.due();
      for (let x = 0; x + kernel <= width; x++) {
        for (let i = 0; i < size; i++) {
          const [c, tap] = [Math.floor(i / kernel ** 2), i % kernel ** 2];
          const at = ((row * channels + c) * height + y + Math.floor(tap / kernel)) * width + x + (tap % kernel);
          patch[i] = value(pixels[at]!, c);
        }
        for (let i = 0; i < size; i++) for (let j = i; j < size; j++) sums[i * size + j]! += patch[i]! * patch[j]!;
      }
    }
  const patches = rows.length * (height - kernel + 1) * (width - kernel + 1);
  return sums.map((_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    return sums[Math.min(i, j) * size + Math.max(i, j)]! / patches;
  });
}
