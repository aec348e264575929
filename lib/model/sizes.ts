// Whether the tensors of a network stay within the limit of elements, counted as native code lays them out
// (native/core/plan.cc): the channels of all maps but the image in whole vectors of 16.
import { expected } from '../check';
import { LIMITS, within } from '../native/limits';
import type { ResolvedNetwork } from './spec';
import { isPool } from './layer';
import { pooledWindow, type LayerShape, type MapShape } from './shapes';

const LANE = 16;

/** Errors: ERR_SHAPE, with the layer, for an image, weights or a map over all time steps of too many elements. */
export function checkSizes(network: ResolvedNetwork, shapes: readonly LayerShape[]): void {
  const { layers } = network;
  const timesteps = network.code === undefined ? network.timesteps : 1;
  check(area(network.input) * network.input[0], 'elements of an image', 'input');
  // The map before the pools, which is what a weighted layer reads, and its channels as they lie in memory.
  let source: MapShape = network.input;
  let channels = source[0];
  for (const shape of shapes) {
    if (isPool(shape.type)) continue;
    const where = `layers[${shape.layer}]`;
    const { padding } = layers[shape.layer]!;
    const { kernel, stride } = pooledWindow(layers[shape.layer]!);
    const linear = shape.type === 'linear';
    const [, height, width] = shape.in;
    const out = lanes(shape.out[0]);
    check((linear ? height * width : kernel * kernel) * channels * out, 'weights', where);
    const gradient = linear
      ? 1
      : gradientSide(height, shape.out[1], kernel, stride, padding) *
        gradientSide(width, shape.out[2], kernel, stride, padding);
    const most = Math.max(
      linear ? 0 : (height + 2 * padding) * (width + 2 * padding) * channels,
      area(source) * channels * timesteps,
      gradient * out * timesteps,
    );
    check(most, 'values of an image in a map over all time steps', where);
    source = shape.out;
    channels = out;
  }
}

/** One side of the gradient at a map, with the border that every tap of every input cell stays within. */
function gradientSide(inner: number, outer: number, kernel: number, stride: number, padding: number): number {
  const before = Math.floor((kernel + stride - 1) / stride) - 1;
  const after = Math.max(0, Math.floor((inner - 1 + padding) / stride) - (outer - 1));
  return before + outer + after;
}

function lanes(channels: number): number {
  return Math.ceil(channels / LANE) * LANE;
}

function area([, height, width]: MapShape): number {
  return height * width;
}

function check(elements: number, what: string, where: string): void {
  if (!within('elements', elements))
    throw expected(`at most ${LIMITS.elements.max} ${what}`, where, elements, 'ERR_SHAPE');
}
