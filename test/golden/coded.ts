// What a golden case of a network with a code must come out as: codes exactly (none is nearer than 1e-5 to a border),
// logits, loss and gradients within 1e-4 of their norm, and 2e-4 for the gradient of a single number, which is a sum of
// terms of both signs. In mixed precision all products are in 32 bits as well, but for those of gradients on a CPU:
// those are of bf16, and 5e-3 of their norm was the most, 2e-2 of a single number.
import type { Network } from '../../lib';
import type { FloatTensor } from '../../lib/model/parameters';
import { numbers, type Golden } from '../helpers/golden';
import { expectClose, expectSame, withNetwork, type NetworkClass, type On } from './check';

const TOLERANCE = 1e-4;
const SCALAR_TOLERANCE = 2e-4;
/** Of gradients from products of bf16. */
const ROUNDED_TOLERANCE = 1e-2;
const ROUNDED_SCALAR_TOLERANCE = 5e-2;

/** Throws what is off. */
export async function checkCoded(type: NetworkClass, golden: Golden, on: On): Promise<void> {
  await withNetwork(type, golden, on, golden.parameters, async (network) => {
    await checkGradients(network, golden, on.precision === 'mixed' && on.backend === 'cpu');
    const norm = golden.description.layers[0]!.norm === 'batch';
    const size = norm ? golden.description.normGroup! : golden.labels.length;
    for (let first = 0; first < golden.labels.length; first += size) {
      if (norm) await network.setParameters(groupStatistics(golden, first, size));
      await checkForward(network, golden, first, size);
    }
  });
}

async function checkGradients(network: Network, { pixels, labels, tensors }: Golden, rounded: boolean): Promise<void> {
  const { loss, gradients } = await network.gradients(pixels, labels);
  expectClose('loss', [loss], numbers(tensors.get('loss')!), TOLERANCE);
  for (const [name, tensor] of tensors) {
    if (!name.startsWith('grad.')) continue;
    const value = gradients.get(name.slice('grad.'.length));
    if (value === undefined) throw new Error(`Expected ${name} but there is none`);
    const [scalar, all] = rounded ? [ROUNDED_SCALAR_TOLERANCE, ROUNDED_TOLERANCE] : [SCALAR_TOLERANCE, TOLERANCE];
    expectClose(name, value, numbers(tensor), tensor.shape.length === 0 ? scalar : all);
  }
}

/** Codes and logits of images [first, first + count). */
async function checkForward(network: Network, golden: Golden, first: number, count: number): Promise<void> {
  const images = golden.labels.length;
  const part = <T extends Uint8Array | number[]>(values: T): T => {
    const size = values.length / images;
    return values.slice(first * size, (first + count) * size) as T;
  };
  const { logits, codes, spikeTimes } = await network.forward(part(golden.pixels), { trace: true });
  if (spikeTimes!.size > 0) throw new Error('Expected no spike times of a network with a code');
  expectClose('logits', logits, part(numbers(golden.tensors.get('logits')!)), TOLERANCE);
  const traced = [...golden.tensors].filter(([name]) => /^trace\..*\.code$/.test(name));
  if (traced.length !== codes!.size)
    throw new Error(`Expected codes of ${traced.length} layers but received ${codes!.size}`);
  for (const [name, tensor] of traced) {
    const layer = name.replace(/^trace\.(.*)\.code$/, '$1');
    expectSame(name, codes!.get(layer)!, part(numbers(tensor)));
  }
}

/** The statistics of a group of images at a first layer of 3x3 kernels, as its running ones. */
function groupStatistics(
  { description, pixels, parameters }: Golden,
  first: number,
  count: number,
): Record<string, FloatTensor> {
  const [channels, height, width] = description.input;
  const weight = parameters.get('layers.0.weight')!;
  const out = description.layers[0]!.out!;
  const mean = new Float32Array(out);
  const variance = new Float32Array(out);
  for (let o = 0; o < out; o++) {
    const values: number[] = [];
    for (let n = first; n < first + count; n++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          let sum = 0;
          for (let c = 0; c < channels; c++)
            for (let tap = 0; tap < 9; tap++) {
              const [row, column] = [y + Math.floor(tap / 3) - 1, x + (tap % 3) - 1];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              const q = pixels[((n * channels + c) * height + row) * width + column]! / 255;
              sum += (weight[(o * channels + c) * 9 + tap]! * (q - description.mean![c]!)) / description.std![c]!;
            }
          values.push(sum);
        }
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    mean[o] = average;
    variance[o] = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length;
  }
  return {
    'layers.0.norm.running_mean': { shape: [out], data: mean },
    'layers.0.norm.running_var': { shape: [out], data: variance },
  };
}
