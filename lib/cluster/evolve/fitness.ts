// What an individual is worth (docs/MATHEMATICS.md, "Evolution of genes").
import { expressionNames, geneLayers, interactionName } from '../../model/genes/genes';
import { readModel, type ModelFile } from '../../model/model-file';

/** What an individual shows after its training. */
export interface Traits {
  /** The entropy of the sizes of its interactions, from 0 to 1: the mean over taps. */
  entropy: number;
  /** The relative change of its genes by training: the mean over layers. */
  difference: number;
}

/** The weights of a generation, counted from 1. */
export interface FitnessWeights {
  entropy: number;
  difference: number;
}

/**
 * The entropy of the sizes of numbers, as shares of their sum, over that of equal ones; 1 for one number or only zeros.
 */
export function relativeEntropy(numbers: Float32Array): number {
  const sum = numbers.reduce((total, value) => total + Math.abs(value), 0);
  if (numbers.length < 2 || sum === 0) return 1;
  let entropy = 0;
  for (const value of numbers) {
    const share = Math.abs(value) / sum;
    if (share > 0) entropy -= share * Math.log(share);
  }
  return entropy / Math.log(numbers.length);
}

/** The length of the change of a vector, over its length at first. */
export function relativeChange(before: Float32Array, after: Float32Array): number {
  let change = 0;
  let length = 0;
  before.forEach((value, i) => {
    change += (after[i]! - value) ** 2;
    length += value ** 2;
  });
  return length === 0 ? 0 : Math.sqrt(change / length);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

export function traitsOf(before: ModelFile, after: ModelFile): Traits {
  const { network, tensors } = after;
  const size = network.genes!.count ** 2;
  const taps = geneLayers(network).kernels.flatMap((kernel) => {
    const { data } = tensors.get(interactionName(kernel))!;
    return Array.from({ length: kernel ** 2 }, (_, tap) => data.subarray(tap * size, (tap + 1) * size));
  });
  const changes = expressionNames(network).map((name) =>
    relativeChange(before.tensors.get(name)!.data, tensors.get(name)!.data),
  );
  return { entropy: mean(taps.map(relativeEntropy)), difference: mean(changes) };
}

/** From the file that a training began with and its finished model. Errors: ERR_IO, ERR_FORMAT. */
export async function readTraits(beginning: string, model: string): Promise<Traits> {
  return traitsOf(await readModel(beginning), await readModel(model));
}

/** The weights of generation `generation`, counted from 1. */
export function weightsOf(
  { entropy, difference, decay }: { entropy: number; difference: number; decay: number },
  generation: number,
): FitnessWeights {
  const factor = decay ** (generation - 1);
  return { entropy: entropy * factor, difference: difference * factor };
}

export function fitnessOf(accuracy: number, { entropy, difference }: Traits, weights: FitnessWeights): number {
  return accuracy + weights.entropy * entropy - weights.difference * difference;
}
