// An adaptive average pool between the last map and the first linear layer, folded into the weights of the layer: both
// are linear.
import type { Pace } from '../model/scan';

export interface Resizing {
  /** Units of the linear layer. */
  outputs: number;
  channels: number;
  /** The side of the map that the pool gives. */
  side: number;
  /** The map that it takes. */
  height: number;
  width: number;
}

/**
 * The weights (O, C·H·W) of a linear layer whose own (O, C·side·side) follow `AdaptiveAvgPool2d(side)` on a map (C, H,
 * W).
 */
export async function resizedInputs(weights: Float32Array, sizes: Resizing, pace: Pace): Promise<Float32Array> {
  const { outputs, channels, side, height, width } = sizes;
  const rows = shares(height, side);
  const columns = shares(width, side);
  const resized = new Float32Array(outputs * channels * height * width);
  const sums = new Float64Array(height * width);
  for (let map = 0; map < outputs * channels; map++) {
    if (map % channels === 0) await pace.due();
    sums.fill(0);
    for (let i = 0; i < side; i++)
      for (let j = 0; j < side; j++) {
        const weight = weights[(map * side + i) * side + j]!;
        for (const [y, row] of rows[i]!)
          for (const [x, column] of columns[j]!) sums[y * width + x]! += weight * row * column;
      }
    resized.set(sums, map * height * width);
  }
  return resized;
}

/** For every cell of the result the positions that it is the mean of, each with its share, as PyTorch divides them. */
function shares(from: number, to: number): [position: number, share: number][][] {
  return Array.from({ length: to }, (_, cell) => {
    const first = Math.floor((cell * from) / to);
    const end = Math.ceil(((cell + 1) * from) / to);
    return Array.from({ length: end - first }, (_, i): [number, number] => [first + i, 1 / (end - first)]);
  });
}
