// What a parameter of a network is, apart from any network.

/** A tensor of 32-bit floats. */
export interface FloatTensor {
  /** The shape; [] for a single number. */
  shape: number[];
  /** The numbers, in C order. */
  data: Float32Array;
}

/** The numbers that a threshold or a leak may be, if the given one is none of them. Other parameters may be anything finite. */
export function parameterFault(name: string, data: Float32Array): string | undefined {
  const value = data[0]!;
  if (name.endsWith('.threshold') && !(value > 0)) return 'a number > 0';
  if (name.endsWith('.leak') && !(value >= 0 && value <= 1)) return 'a number from 0 to 1';
  return undefined;
}
