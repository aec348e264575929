// Golden cases: NAME.json is a network description, NAME.safetensors its parameters, a batch, and what an independent
// framework computed for them.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, type Tensor } from '../../lib/io/safetensors';
import { resolveNetwork, type NetworkDescription } from '../../lib/model/description';

export interface Golden {
  description: NetworkDescription;
  pixels: Uint8Array;
  labels: Int32Array;
  parameters: Map<string, Float32Array>;
  tensors: Map<string, Tensor>;
}

/** Names of the cases of a folder: every .json with a .safetensors beside it. */
export function goldenNames(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json') && existsSync(join(folder, name.replace(/json$/, 'safetensors'))))
    .map((name) => name.replace(/\.json$/, ''))
    .sort();
}

/** The network of a case, without what the case was made with. */
function describe(folder: string, name: string): NetworkDescription {
  const stored = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Record<string, unknown>;
  const { seed: _seed, batch: _batch, activity: _activity, ...description } = stored;
  return description as unknown as NetworkDescription;
}

/** Why this version does not know the network of a case, or ''. */
export function unknownNetwork(folder: string, name: string): string {
  try {
    resolveNetwork(describe(folder, name));
    return '';
  } catch (error) {
    if (/unknown key/.test(String(error))) return String(error);
    throw error;
  }
}

export async function readGolden(folder: string, name: string): Promise<Golden> {
  const { tensors } = await readSafetensors(join(folder, `${name}.safetensors`));
  const parameters = new Map<string, Float32Array>();
  for (const [key, { data }] of tensors)
    if (key.startsWith('param.')) parameters.set(key.slice('param.'.length), data as Float32Array);
  return {
    description: describe(folder, name),
    pixels: tensors.get('pixels')!.data as Uint8Array,
    labels: Int32Array.from(numbers(tensors.get('labels')!)),
    parameters,
    tensors,
  };
}

/** The elements of a tensor of any type. */
export function numbers(tensor: Tensor): number[] {
  return Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

/** ||value - reference|| / ||reference||; against a reference of zeros, the plain norm of the value. */
export function distance(value: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (value.length !== reference.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < reference.length; i++) {
    difference += (value[i]! - reference[i]!) ** 2;
    norm += reference[i]! ** 2;
  }
  return Math.sqrt(difference) / (norm > 0 ? Math.sqrt(norm) : 1);
}
