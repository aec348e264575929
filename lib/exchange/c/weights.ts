// Weights as C stores them: floats, or integers with a scale for each neuron or channel.
import { expected } from '../../check';

export const WEIGHT_TYPES: readonly WeightType[] = ['f32', 'i16', 'i8'];
/** How the C file of a network stores weights: 32-bit floats, or signed integers of 16 or 8 bits. */
export type WeightType = 'f32' | 'i16' | 'i8';

/** The largest integer of a type. */
const LARGEST = { i16: 32_767, i8: 127 } as const;

export interface Weights {
  type: WeightType;
  values: Float32Array | Int16Array | Int8Array;
  /** What an integer counts, for each output; undefined for floats. */
  scales: Float32Array | undefined;
}

/**
 * Weights (outputs, inputs) as `type`; integers are the nearest multiples of the largest weight of their output over
 * the largest integer. `most` is how often one weight is added at most. Errors: ERR_ARG for a sum that 32 bits do not
 * hold.
 */
export function quantise(data: Float32Array, outputs: number, type: WeightType, most: number, name: string): Weights {
  if (type === 'f32') return { type, values: data, scales: undefined };
  const largest = LARGEST[type];
  const values = type === 'i8' ? new Int8Array(data.length) : new Int16Array(data.length);
  const scales = new Float32Array(outputs);
  const row = data.length / outputs;
  for (let output = 0; output < outputs; output++) {
    const own = data.subarray(output * row, (output + 1) * row);
    // Weights of zero alone have any scale.
    scales[output] = own.reduce((size, weight) => Math.max(size, Math.abs(weight)), 0) / largest || 1;
    let sum = 0;
    for (const [i, weight] of own.entries()) {
      const value = Math.max(-largest, Math.min(largest, Math.round(weight / scales[output]!)));
      values[output * row + i] = value;
      sum += Math.abs(value);
    }
    if (sum * most >= 2 ** 31)
      throw expected(`weights ${type} whose sums stay below 2^31, or f32,`, `${name} of output ${output}`, sum * most);
  }
  return { type, values, scales };
}
