// A network as the loop in C sees it: weighted layers alone, each with the pools before it.
import { initialPotential, type ResolvedNetwork } from '../../model/description';
import { layerName } from '../../model/layer';
import type { FloatTensor } from '../../model/parameters';
import { layerShapes, type MapShape } from '../../model/shapes';
import { quantise, type WeightType, type Weights } from './weights';

/** A weighted layer. A linear layer is a convolution whose kernel is the whole map. */
export interface Stage {
  /** Its position in the layer list. */
  layer: number;
  output: boolean;
  /** The map that is read, before its pools. */
  source: MapShape;
  /** The side of the window of all pools together, 1 for none. */
  pool: number;
  /** The map after the pools. */
  pooled: MapShape;
  out: MapShape;
  kernel: [height: number, width: number];
  stride: number;
  padding: number;
  weights: Weights;
  bias: Float32Array | undefined;
  /** V theta(t), one for each step. */
  thresholds: Float32Array;
  kappa: Float32Array | undefined;
  threshold: number;
  leak: number;
  /** U(0). */
  initial: number;
}

/** The stages of a network without normalisation and code. Errors: ERR_ARG for sums that 32 bits do not hold. */
export function stagesOf(
  network: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
  type: WeightType,
): Stage[] {
  const stages: Stage[] = [];
  let source: MapShape = network.input;
  let pool = 1;
  for (const shape of layerShapes(network)) {
    const layer = network.layers[shape.layer]!;
    if (layer.type === 'avgpool') {
      pool *= layer.kernel;
      continue;
    }
    const name = layerName(shape.layer);
    const take = (of: string): Float32Array | undefined => tensors.get(`${name}.${of}`)?.data;
    const threshold = take('threshold')![0]!;
    const theta = take('theta');
    const linear = layer.type === 'linear';
    stages.push({
      layer: shape.layer,
      output: layer.output,
      source,
      pool,
      pooled: shape.in,
      out: shape.out,
      kernel: linear ? [shape.in[1], shape.in[2]] : [layer.kernel, layer.kernel],
      stride: layer.stride,
      padding: linear ? 0 : layer.padding,
      weights: quantise(take('weight')!, layer.out, type, pool * pool, `${name}.weight`),
      bias: take('bias'),
      thresholds: Float32Array.from({ length: network.timesteps }, (_, t) => threshold * (theta?.[t] ?? 1)),
      kappa: take('kappa'),
      threshold,
      leak: take('leak')![0]!,
      initial: initialPotential(network, shape.layer, threshold),
    });
    source = shape.out;
    pool = 1;
  }
  return stages;
}

/** The number of inputs of a neuron after the pools. */
export function fanIn({ pooled, kernel }: Stage): number {
  return pooled[0] * kernel[0] * kernel[1];
}

/** The number of elements of a map. */
export function sizeOf([channels, height, width]: MapShape): number {
  return channels * height * width;
}
