// The conversion of a network with biases (docs/MATHEMATICS.md, "Conversion"): activations are scaled to 1 layer by
// layer, because every spike counts as 1 and a bias must be as small beside it.
import { checkNumber } from '../../check';
import { LIMITS } from '../../native/limits';
import type { CheckedBatch, NativeNetwork } from '../../native/network';
import type { ResolvedNetwork } from '../description';
import { layerName, type LayerId } from '../layer';
import { multiply, Pace } from '../scan';
import type { NetworkSizes } from './forward';
import { checkBatch, checkJob } from './inputs';
import { readTensors, writeValues, type TensorShape } from './state';

/**
 * Which tensors of a layer grow with its input, and which shrink with its output; weights with the scale of their
 * genes.
 */
const OF_INPUT = ['weight', 'gene_scale'];
const OF_OUTPUT = ['weight', 'gene_scale', 'bias'];
/** The same of a layer that is normalised: what it sends does not depend on the scale of its input. */
const OF_NORM_OUTPUT = ['norm.weight', 'norm.bias'];

export function rescaleJob(
  native: NativeNetwork,
  sizes: NetworkSizes,
  description: ResolvedNetwork,
  tensors: readonly TensorShape[],
  batch: unknown,
  options: unknown,
): () => Promise<void> {
  const { signal, given } = checkJob(options, ['percentile', 'signal']);
  const percentile = checkNumber(given['percentile'] ?? 99.9, 'percentile', LIMITS.percentile);
  const { batch: checked } = checkBatch(batch, 'batch', sizes, false);
  return () => rescale(native, sizes, description, tensors, { batch: checked, percentile, largest: () => 1, signal });
}

/** What activations are scaled to. */
interface Target {
  batch: CheckedBatch;
  percentile: number;
  /** What the percentile of a hidden layer becomes. */
  largest: (layer: LayerId) => number;
  signal: AbortSignal | undefined;
}

/** Scales weights and biases so that the percentile of every hidden layer's activations is the layer's `largest`. */
export async function rescale(
  native: NativeNetwork,
  sizes: NetworkSizes,
  description: ResolvedNetwork,
  tensors: readonly TensorShape[],
  { batch, percentile, largest, signal }: Target,
): Promise<void> {
  const activations = await native.activations(batch, percentile, signal);
  const values = await readTensors(native, 'parameter', tensors);
  const pace = new Pace();
  const scale = async (name: string, factor: number): Promise<void> => {
    const data = values.get(name)?.data;
    if (data !== undefined) await multiply(data, factor, pace);
  };
  let before = 1;
  for (const [position, { layer }] of sizes.layers.entries()) {
    const name = layerName(layer);
    for (const of of OF_INPUT) await scale(`${name}.${of}`, before);
    if (position === activations.length) continue; // of the output layer: its logits stay
    // A layer without any activation is left alone.
    const top = activations[position]!;
    before = top > 0 ? top / largest(layer) : 1;
    const sent = description.layers[layer]!.norm === 'batch' ? OF_NORM_OUTPUT : OF_OUTPUT;
    for (const of of sent) await scale(`${name}.${of}`, 1 / before);
  }
  await writeValues(
    native,
    [...values].map(([name, { data }]) => ({ kind: 'parameter' as const, name, data })),
  );
}
