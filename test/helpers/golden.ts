// Golden cases: NAME.json is a network description, NAME.safetensors its parameters, a batch, and what an independent
// framework computed for them.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, type Tensor } from '../../lib/io/safetensors';
import { resolveNetwork, type NetworkDescription } from '../../lib/model/description';

export type GoldenMode = 'ann' | 'snn' | 'code';

export interface Golden {
  description: NetworkDescription;
  /**
   * `ann`: loss and gradients are those of the ANN, normalised by groups of images; `code`: of a network with a code.
   */
  mode: GoldenMode;
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
function describe(folder: string, name: string): { mode: GoldenMode; description: NetworkDescription } {
  const stored = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Record<string, unknown>;
  const { seed: _seed, batch: _batch, activity: _activity, mode, ...description } = stored;
  const of = mode === 'ann' ? mode : 'code' in description ? 'code' : 'snn';
  return { mode: of, description: description as unknown as NetworkDescription };
}

/** What a case is about. */
export function goldenMode(folder: string, name: string): GoldenMode {
  return describe(folder, name).mode;
}

/** Why this version does not know the network of a case, or ''. */
export function unknownNetwork(folder: string, name: string): string {
  try {
    resolveNetwork(describe(folder, name).description);
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
    ...describe(folder, name),
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

/**
 * ||value - reference|| / ||reference||; against a reference of zeros, or of what rounding left of them, the plain
 * norm.
 */
export function distance(value: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (value.length !== reference.length) return Infinity;
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < reference.length; i++) {
    difference += (value[i]! - reference[i]!) ** 2;
    norm += reference[i]! ** 2;
  }
  return Math.sqrt(difference) / (norm > 1e-24 ? Math.sqrt(norm) : 1);
}
