// The conversion of an ANN to a network with a code (docs/MATHEMATICS.md, "Coded networks"): what the code can hold is
// put where the activations of the ANN are.
import type { CheckedBatch, NativeNetwork } from '../../native/network';
import type { ResolvedNetwork } from '../description';
import { layerName } from '../layer';
import type { NetworkSizes } from '../network/forward';
import { rescale } from '../network/rescale';
import { writeValues, type TensorShape } from '../network/state';
import type { Code } from './code';

/** The images whose activations are measured, and which of them counts as the largest. */
export interface Conversion {
  batch: CheckedBatch;
  percentile: number;
  scale: number;
  signal: AbortSignal | undefined;
}

/**
 * Of `radix` the largest integer of a hidden layer becomes `scale` times the percentile of its activations. The spikes
 * of the other codes count at most a number of their own, so weights and biases are scaled such that the percentile is
 * it.
 */
export async function convert(
  native: NativeNetwork,
  sizes: NetworkSizes,
  { description, code }: { description: ResolvedNetwork; code: Code },
  tensors: readonly TensorShape[],
  { batch, percentile, scale, signal }: Conversion,
): Promise<void> {
  if (code.kind !== 'radix') {
    const largest = (layer: number): number => {
      const { timeConstant = 1, delay = 0 } = description.layers[layer]!;
      return Math.exp(delay / timeConstant) / scale;
    };
    return rescale(native, sizes, description, tensors, { batch, percentile, largest, signal });
  }
  const activations = await native.activations(batch, percentile, signal);
  const levels = 2 ** code.bits - 1;
  // A layer without any activation keeps its step.
  const values = activations.flatMap((top, i) =>
    top > 0
      ? [
          {
            kind: 'parameter' as const,
            name: `${layerName(sizes.layers[i]!.layer)}.step`,
            data: Float32Array.of((top * scale) / levels),
          },
        ]
      : [],
  );
  await writeValues(native, values);
}
