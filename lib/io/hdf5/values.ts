// What an HDF5 file holds, as far as it is read and written here: groups, texts and arrays of numbers.

/** An array of numbers, or of texts, in C order. */
export interface HdfArray {
  /** The shape; [] for a single value. */
  shape: number[];
  data: Float64Array | Float32Array | BigInt64Array | readonly string[];
}

/** A group: arrays and further groups by name. */
export type HdfGroup = Map<string, HdfArray | HdfGroup>;

export const isGroup = (value: HdfArray | HdfGroup | undefined): value is HdfGroup => value instanceof Map;

/** A single text. */
export const textValue = (text: string): HdfArray => ({ shape: [], data: [text] });

/** 32-bit floats. */
export const floatValue = (data: Float32Array, shape: readonly number[] = [data.length]): HdfArray => ({
  shape: [...shape],
  data,
});

/** Integers. */
export const integerValue = (values: readonly number[], shape: readonly number[] = [values.length]): HdfArray => ({
  shape: [...shape],
  data: BigInt64Array.from(values, BigInt),
});
