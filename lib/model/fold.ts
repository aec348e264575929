// Batch normalisation by running statistics, folded into weights and biases (docs/MATHEMATICS.md, "Batch
// normalisation"): a network without it that computes the same.
import type { ResolvedNetwork } from './description';
import { withoutGenes, withoutGeneTensors } from './genes/genes';
import { layerName } from './layer';
import type { FloatTensor } from './parameters';
import { Pace } from './scan';

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

/**
 * Of native/ops/norm.h, as are the places where numbers are rounded to floats: native code folds to the same numbers.
 */
const EPSILON = 1e-5;

/**
 * Returns the network without normalisation and without genes: weights times gamma / sqrt(variance + epsilon), and a bias in every layer
 * that was normalised. Tensors of other layers are those of `tensors`.
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
      const scale = weight[channel]! * (1 / Math.sqrt(variance[channel]! + EPSILON));
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
