// The weights of a network that sees normalised pixels, for one that sees them as they are.
import type { ResolvedNetwork } from '../description';
import { layerName } from '../layer';
import type { FloatTensor } from '../parameters';
import { Pace } from '../scan';

/**
 * Weights W of pixels (x - mean) / std are weights W / std of pixels x, and the constant that is missing, the sum of
 * W mean / std over a channel's weights, is subtracted from its bias or added to the running mean of its normalisation.
 * A first layer that has neither loses it. Convolutions whose borders are padded with zeros compute the same inside
 * alone: a zero is the mean pixel of the one network and black for the other. Other tensors are those of `tensors`.
 */
export async function forPlainPixels(
  { input, layers, mean, std }: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Promise<Map<string, FloatTensor>> {
  const name = layerName(layers.findIndex(({ type }) => type === 'conv' || type === 'linear'));
  const { shape, data } = tensors.get(`${name}.weight`)!;
  const outputs = shape[0]!;
  const row = data.length / outputs;
  const plane = row / input[0];
  const weight = new Float32Array(data.length);
  const missing = new Float64Array(outputs);
  const pace = new Pace();
  for (let out = 0; out < outputs; out++) {
    await pace.due();
    for (let i = 0; i < row; i++) {
      const channel = Math.floor(i / plane);
      const scaled = data[out * row + i]! / std[channel]!;
      weight[out * row + i] = scaled;
      missing[out]! += scaled * mean[channel]!;
    }
  }
  const changed = new Map(tensors).set(`${name}.weight`, { shape, data: weight });
  const shift = (of: string, by: (constant: number) => number): void => {
    const tensor = changed.get(`${name}.${of}`)!;
    changed.set(`${name}.${of}`, { ...tensor, data: tensor.data.map((value, out) => value + by(missing[out]!)) });
  };
  if (changed.has(`${name}.norm.running_mean`)) shift('norm.running_mean', (constant) => constant);
  else if (changed.has(`${name}.bias`)) shift('bias', (constant) => -constant);
  return changed;
}
