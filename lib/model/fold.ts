// What of a network becomes part of its weights and biases: batch normalisation by running statistics, and pools before
// the neuron (docs/MATHEMATICS.md, "Batch normalisation" and "Pools before the neuron").
import type { ResolvedLayer, ResolvedNetwork } from './description';
import { withoutGenes, withoutGeneTensors } from './genes/genes';
import { layerName } from './layer';
import type { FloatTensor } from './parameters';
import { Pace } from './scan';
import { pooledWindow } from './shapes';

/** A network and its parameters by name. */
export interface NetworkParameters {
  network: ResolvedNetwork;
  tensors: Map<string, FloatTensor>;
}

/** Whether a layer is normalised. */
export function hasNorm({ layers }: Pick<ResolvedNetwork, 'layers'>): boolean {
  return layers.some(({ norm }) => norm === 'batch');
}

/**
 * Whether the normalisation of a network is folded when its ANN is converted and saved. Weights of genes cannot take a
 * factor for each channel, because the genes of a channel are those of the next layer's input as well: such a network
 * keeps its normalisation, whose running statistics native code folds whenever it computes.
 */
export function foldsNorm(network: Pick<ResolvedNetwork, 'layers' | 'genes'>): boolean {
  return network.genes === undefined && hasNorm(network);
}

/** The description of a network after its normalisation was folded. */
export function withoutNorm(network: ResolvedNetwork): ResolvedNetwork {
  const layers = network.layers.map((layer) =>
    layer.norm === 'batch' ? { ...layer, norm: 'none' as const, bias: true } : { ...layer },
  );
  return { ...withoutGenes(network), layers };
}

/** Whether a layer averages its currents before the neuron. */
export function hasPools({ layers }: Pick<ResolvedNetwork, 'layers'>): boolean {
  return layers.some(({ pool }) => pool > 1);
}

/** The description of a network after the pools before its neurons were folded. */
export function withoutPools(network: ResolvedNetwork): ResolvedNetwork {
  if (!hasPools(network)) return network;
  const layers = network.layers.map((layer) =>
    layer.pool > 1 ? { ...layer, ...pooledWindow(layer), pool: 1 } : { ...layer },
  );
  return { ...withoutGenes(network), layers };
}

/**
 * What batch normalisation adds to a variance, as in native/ops/ann/norm.h. The places where numbers are rounded to
 * floats are those of that file too: native code folds to the same numbers.
 */
export const NORM_EPSILON = 1e-5;

/**
 * Returns the network without normalisation and without genes: weights times gamma / sqrt(variance + epsilon), and a
 * bias in every layer that was normalised. Tensors of other layers are those of `tensors`.
 */
export async function foldNorm(
  network: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Promise<NetworkParameters> {
  const folded = withoutGeneTensors(tensors);
  const pace = new Pace();
  for (const [index, layer] of network.layers.entries()) {
    if (layer.norm !== 'batch') continue;
    const name = layerName(index);
    const take = (of: string): Float32Array => tensors.get(`${name}.${of}`)!.data;
    const [weight, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((of) =>
      take(`norm.${of}`),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const layerBias = layer.bias ? take('bias') : new Float32Array(layer.out);
    const { shape, data } = tensors.get(`${name}.weight`)!;
    const scaled = new Float32Array(data.length);
    const shift = new Float32Array(layer.out);
    const row = data.length / layer.out;
    for (let channel = 0; channel < layer.out; channel++) {
      await pace.due();
      const scale = weight[channel]! * (1 / Math.sqrt(variance[channel]! + NORM_EPSILON));
      shift[channel] = bias[channel]! + scale * (layerBias[channel]! - mean[channel]!);
      const factor = Math.fround(scale);
      for (let i = channel * row; i < (channel + 1) * row; i++) scaled[i] = data[i]! * factor;
    }
    folded.set(`${name}.weight`, { shape: [...shape], data: scaled });
    folded.set(`${name}.bias`, { shape: [layer.out], data: shift });
    for (const key of tensors.keys()) if (key.startsWith(`${name}.norm.`)) folded.delete(key);
  }
  return { network: withoutNorm(network), tensors: folded };
}

/**
 * Returns the network without pools before its neurons: each of these convolutions becomes the larger one that it is
 * together with its pool. Such weights have no genes: a network with pools and genes comes without genes. Tensors of
 * other layers are those of `tensors`.
 */
export async function foldPools(
  network: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Promise<NetworkParameters> {
  const folded = hasPools(network) ? withoutGeneTensors(tensors) : new Map(tensors);
  const pace = new Pace();
  for (const [index, layer] of network.layers.entries()) {
    if (layer.pool === 1) continue;
    const name = `${layerName(index)}.weight`;
    const { shape, data } = tensors.get(name)!;
    const side = pooledWindow(layer).kernel;
    const taps = layer.kernel ** 2;
    const planes = data.length / taps;
    const pooled = new Float32Array(planes * side ** 2);
    for (let plane = 0; plane < planes; plane++) {
      await pace.due();
      poolKernel(layer, data.subarray(plane * taps), pooled.subarray(plane * side ** 2, (plane + 1) * side ** 2));
    }
    folded.set(name, { shape: [...shape.slice(0, 2), side, side], data: pooled });
  }
  return { network: withoutPools(network), tensors: folded };
}

/** Adds the shifted copies of a kernel in the order of native/ops/pooled_weight.h, and rounds where it does. */
function poolKernel({ kernel, stride, pool }: ResolvedLayer, weights: Float32Array, pooled: Float32Array): void {
  const side = pooledWindow({ kernel, stride, pool }).kernel;
  for (let a = 0; a < pool; a++)
    for (let b = 0; b < pool; b++)
      for (let y = 0; y < kernel; y++)
        for (let x = 0; x < kernel; x++)
          // An element of a Float32Array is rounded when it is written.
          pooled[(y + a * stride) * side + x + b * stride]! += weights[y * kernel + x]!;
  for (let i = 0; i < pooled.length; i++) pooled[i]! /= pool * pool;
}

/** Returns the network for inference: without pools before its neurons, and without normalisation. */
export async function foldAll(
  network: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Promise<NetworkParameters> {
  const pooled = await foldPools(network, tensors);
  return foldNorm(pooled.network, pooled.tensors);
}
