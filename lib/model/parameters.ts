// What a parameter of a network is, apart from any network.

/** A tensor of 32-bit floats. */
export interface FloatTensor {
  /** The shape; [] for a single number. */
  shape: number[];
  /** The numbers, in C order. */
  data: Float32Array;
}

/** The tensors of a layer with batch normalisation, after its name. */
export const NORM_TENSORS = ['norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var'] as const;

/** Whether training moves a tensor along its gradient: running statistics follow the batches instead. */
export function isTrained(name: string): boolean {
  return !name.endsWith('.norm.running_mean') && !name.endsWith('.norm.running_var');
}

/** What a threshold, a leak or a variance may be, and the first number that is not. Other parameters may be anything finite. */
export function parameterFault(name: string, data: Float32Array): { what: string; value: number } | undefined {
  const range = rangeOf(name);
  if (range === undefined) return undefined;
  const [what, holds] = range;
  const value = data.find((number) => !holds(number));
  return value === undefined ? undefined : { what, value };
}

function rangeOf(name: string): [what: string, holds: (value: number) => boolean] | undefined {
  if (name.endsWith('.threshold')) return ['a number > 0', (value) => value > 0];
  if (name.endsWith('.leak')) return ['a number from 0 to 1', (value) => value >= 0 && value <= 1];
  if (name.endsWith('.norm.running_var')) return ['numbers >= 0', (value) => value >= 0];
  return undefined;
}
