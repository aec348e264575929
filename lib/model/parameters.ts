// What a parameter of a network is, apart from any network.
import { createHash } from 'node:crypto';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { LIMITS, within } from '../native/limits';
import type { ResolvedNetwork } from './spec';
import { derivedWeights } from './genes/genes';

/** A tensor of 32-bit floats. */
export interface FloatTensor {
  /** The shape; [] for a single number. */
  shape: number[];
  /** The numbers, in C order. */
  data: Float32Array;
}

/** SHA-256 of a network: of its description, and of the names and numbers of its parameters. */
export async function networkHash(
  description: ResolvedNetwork,
  parameters: ReadonlyMap<string, FloatTensor>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(description));
  for (const [name, { data }] of parameters) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    await yieldToOthers();
  }
  return hash.digest('hex');
}

/** The tensors of a layer with batch normalisation, after its name. */
export const NORM_TENSORS = ['norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var'] as const;

/**
 * The names among those of a network's tensors that training moves along their gradients: running statistics follow the
 * batches instead, and weights their genes.
 */
export function trainedNames(names: readonly string[]): Set<string> {
  const derived = derivedWeights(names);
  const follows = /\.norm\.running_(mean|var)$/;
  return new Set(names.filter((name) => !follows.test(name) && !derived.has(name)));
}

/** A number that no threshold, leak, variance, schedule or scale of genes may be. */
export interface ParameterFault {
  /** What is accepted, in words. */
  what: string;
  /** The name of the number, with its index if it is one of several. */
  name: string;
  /** The number. */
  value: number;
}

const CODE_RANGES = [
  { of: '.time_constant', ...LIMITS.timeConstant },
  { of: '.delay', ...LIMITS.delay },
  { of: '.step', ...LIMITS.step },
];

/**
 * Returns the first number of a threshold, a leak, a variance, a schedule or a scale of genes that is out of range.
 * Other parameters may be anything finite.
 */
export function parameterFault(name: string, data: Float32Array): ParameterFault | undefined {
  const value = data[0]!;
  if (name.endsWith('.threshold') && !(value > 0)) return { what: 'a number > 0', name, value };
  const range = CODE_RANGES.find(({ of }) => name.endsWith(of));
  if (range !== undefined && !(value >= range.min && value <= range.max))
    return { what: `a number from ${range.min} to ${range.max}`, name, value };
  if (name.endsWith('.leak') && !(value >= 0 && value <= 1)) return { what: 'a number from 0 to 1', name, value };
  if (name.endsWith('.norm.running_var')) {
    const negative = data.find((variance) => !(variance >= 0));
    return negative === undefined ? undefined : { what: 'numbers >= 0', name, value: negative };
  }
  const scale = name.endsWith('.gene_scale');
  if (!isSchedule(name) && !scale) return undefined;
  const index = data.findIndex((factor) => !within('schedule', factor));
  if (index < 0) return undefined;
  return { what: 'a number from 2^-20 to 2^20', name: scale ? name : `${name}[${index}]`, value: data[index]! };
}

/** Whether a tensor of that name holds a number for every time step. */
export function isSchedule(name: string): boolean {
  return /\.(kappa|theta)$/.test(name);
}

/** The parameters of a network carried to another number of time steps. */
export function carryParameters(
  tensors: ReadonlyMap<string, FloatTensor>,
  timesteps: number,
): Map<string, FloatTensor> {
  const carry = (data: Float32Array): FloatTensor => ({ shape: [timesteps], data: carrySchedule(data, timesteps) });
  return new Map([...tensors].map(([name, tensor]) => [name, isSchedule(name) ? carry(tensor.data) : tensor]));
}

/** A schedule carried to another number of time steps: its first ones, and the last repeated where there are more. */
export function carrySchedule(data: Float32Array, timesteps: number): Float32Array {
  return Float32Array.from({ length: timesteps }, (_, t) => data[Math.min(t, data.length - 1)]!);
}
