// Tensors of another program's file: what they are called there, and their numbers as 32-bit floats when they are asked
// for.
import { OneSpikeError } from '../../errors';
import { floatTable, isSmallFloat } from '../../io/small-floats';
import type { TensorType } from '../../io/safetensors';
import { lookUp, Pace } from '../../model/scan';

/** A tensor of a file that is being imported. */
export interface SourceTensor {
  name: string;
  dtype: TensorType;
  shape: number[];
  /** The numbers in C order. Errors: ERR_FORMAT for a type that holds no floats, and those of reading. */
  read(): Promise<Float32Array>;
}

/** Tensors in the order of their file, which is that of the layers only where `ordered` says so. */
export interface TensorSource {
  format: 'safetensors' | 'pytorch';
  tensors: SourceTensor[];
  ordered: boolean;
}

/** The bytes of one element. */
export const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const satisfies Record<TensorType, number>;

/**
 * The numbers of a tensor whose bytes begin a buffer; those of 64 bits are rounded. Errors: ERR_FORMAT for integers.
 */
export async function toFloats(dtype: TensorType, buffer: ArrayBuffer, describe: () => string): Promise<Float32Array> {
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  if (!isSmallFloat(dtype))
    throw new OneSpikeError('ERR_FORMAT', `Expected floats for ${describe()} but received ${dtype}`);
  const bits = ELEMENT_BYTES[dtype] === 2 ? new Uint16Array(buffer) : new Uint8Array(buffer);
  return lookUp(bits, floatTable(dtype), new Pace());
}

/** The number of elements of a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
