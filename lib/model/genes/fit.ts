// Genes fitted to weights that are given (docs/MATHEMATICS.md, "Genes fitted to weights").
import { checkInteger, checkOptions, checkSignal } from '../../check';
import { OneSpikeError } from '../../errors';
import { LIMITS } from '../../native/limits';
import type { NativeNetwork } from '../../native/network';
import { checkProgress, watched, type JobProgress } from '../../native/watch';
import { checkFinite, checkSize, findTensor, readTensors, writeValues, type TensorShape } from '../network/state';
import { parameterFault, type FloatTensor } from '../parameters';
import { firstNonFinite, multiply, Pace, rootMeanSquare } from '../scan';
import type { ResolvedNetwork } from '../spec';
import { evenGenes } from './even';
import {
  derivedWeights,
  expressionNames,
  geneCount,
  geneLayers,
  interactionName,
  isGene,
  matrixNames,
  scaleNames,
} from './genes';
import { orthogonalGenes } from './orthogonal';

/** The options of `network.fitGenes`. If the job rejects, the genes stay what they were. */
export interface FitGenesOptions {
  /** The number of steps of Adam; 1000 by default. */
  steps?: number | undefined;
  /** The signal that stops the job, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
  /** A function that is called a few times per second with the progress. An error that it throws stops the job. */
  onProgress?: ((progress: JobProgress) => void) | undefined;
}

export const FIT_OPTIONS = ['steps', 'signal', 'onProgress'] as const satisfies readonly (keyof FitGenesOptions)[];

/** The result of `network.fitGenes`. */
export interface GeneFit {
  /**
   * The squared distance of the weights that follow from the genes to those that were given, each layer's over its mean
   * square, as a share of that of zeros: 0 where genes stand for the weights exactly.
   */
  residual: number;
}

/** The number of steps by default: of VGG-7 with half as many numbers they leave 11.3 %, and 3000 leave 10.6 %. */
export const FIT_STEPS = 1000;
/**
 * The learning rate of the first step, over the deviation of the numbers of a matrix. With 0.36 and with 0.7, 1000
 * steps leave 10.9 % of VGG-7 with half as many numbers, with 0.18 11.0 %, with 0.06 11.5 % and with 0.02 13.2 %.
 */
const RATE = 0.5;

/** Checks the arguments of `Network.fitGenes` and returns the job that they describe. */
export function fitGenesJob(
  native: NativeNetwork,
  description: ResolvedNetwork,
  tensors: readonly TensorShape[],
  weights: readonly [string, Float32Array][],
  options: unknown,
): () => Promise<GeneFit> {
  const count = geneCount(description);
  const given = checkOptions(options, 'options', FIT_OPTIONS);
  const steps = checkInteger(given['steps'] ?? FIT_STEPS, 'steps', LIMITS.fitSteps);
  const watch = {
    total: steps,
    signal: checkSignal(given['signal'], 'signal'),
    onProgress: checkProgress(given['onProgress']),
  };
  const targets = targetsOf(tensors, new Map(weights));
  const genes = tensors.filter(({ name }) => isGene(name));
  const deviation = count ** (-1 / 3);
  return async () => {
    await checkFinite(targets);
    const before = await readTensors(native, 'parameter', genes);
    try {
      await write(native, await startOf(description, before, deviation, new Pace(watch.signal)));
      const sizes = await writeTargets(native, targets);
      const residual = await watched(native, watch, (signal) => native.fitGenes(steps, RATE * deviation, signal));
      const fitted = await readTensors(native, 'parameter', genes);
      const scaled = await plain(description, fitted, sizes);
      await write(native, checked(new Map([...scaled, ...evenGenes(description, scaled)])));
      return { residual };
    } catch (error) {
      // A network that was disposed meanwhile has none.
      await write(native, before).catch(() => undefined);
      throw error;
    }
  };
}

/** The weights that are given, of every layer with genes. Errors: ERR_SHAPE. */
function targetsOf(
  tensors: readonly TensorShape[],
  weights: ReadonlyMap<string, Float32Array>,
): [string, Float32Array][] {
  return Array.from(derivedWeights(tensors.map(({ name }) => name)), (name) => {
    const data = weights.get(name);
    if (data === undefined)
      throw new OneSpikeError('ERR_SHAPE', `Expected a tensor ${name}, whose layer has genes, but received none`);
    checkSize(name, data, findTensor(name, tensors));
    return [name, data];
  });
}

/**
 * Orthogonal matrices in the directions of those that the network has, with scales of 1, whose weights have a mean
 * square of about 1. Errors: ERR_STATE for matrices without full rank, which have no such directions.
 */
async function startOf(
  description: ResolvedNetwork,
  genes: ReadonlyMap<string, FloatTensor>,
  deviation: number,
  pace: Pace,
): Promise<Map<string, FloatTensor>> {
  const start = new Map(genes);
  for (const [name, tensor] of await orthogonalGenes(description, genes, pace)) {
    await multiply(tensor.data, deviation / (await rootMeanSquare(tensor.data, pace)), pace);
    if ((await firstNonFinite(tensor.data, pace)) >= 0)
      throw new OneSpikeError('ERR_STATE', `Expected ${name} of full rank, as in a new network, but it has none`);
    start.set(name, tensor);
  }
  for (const name of scaleNames(description)) start.set(name, { shape: [], data: Float32Array.of(1) });
  return start;
}

/** Hands the weights over as gradients, each layer's divided by the root of its mean square, which is returned. */
async function writeTargets(native: NativeNetwork, targets: readonly [string, Float32Array][]): Promise<number[]> {
  const pace = new Pace();
  const sizes: number[] = [];
  for (const [name, weights] of targets) {
    const data = weights.slice();
    const size = (await rootMeanSquare(data, pace)) || 1;
    await multiply(data, 1 / size, pace);
    await writeValues(native, [{ kind: 'gradient', name, data }]);
    sizes.push(size);
  }
  return sizes;
}

/**
 * The fitted genes with matrices as a new network has them, and scales with which the weights are as large as those
 * that were given.
 */
async function plain(
  description: ResolvedNetwork,
  fitted: ReadonlyMap<string, FloatTensor>,
  sizes: readonly number[],
): Promise<Map<string, FloatTensor>> {
  const pace = new Pace();
  const result = new Map(fitted);
  const { expressing, genetic } = geneLayers(description);
  const expressions = expressionNames(description);
  const factors = new Map<string, number>();
  for (const name of matrixNames(description)) {
    const { data } = result.get(name)!;
    const wanted = expressions.includes(name) ? geneCount(description) ** -0.5 : 1;
    const factor = (await rootMeanSquare(data, pace)) / wanted;
    await multiply(data, 1 / factor, pace);
    factors.set(name, factor);
  }
  for (const [position, name] of scaleNames(description).entries()) {
    const at = expressing.indexOf(genetic[position]!);
    const interaction = interactionName(description.layers[genetic[position]!]!.kernel);
    const factor = factors.get(expressions[at - 1]!)! * factors.get(interaction)! * factors.get(expressions[at]!)!;
    const scale = result.get(name)!.data[0]! * sizes[position]! * factor;
    result.set(name, { shape: [], data: Float32Array.of(scale) });
  }
  return result;
}

/** Errors: ERR_STATE for weights so small or so large that no scale stands for them. */
function checked(genes: Map<string, FloatTensor>): Map<string, FloatTensor> {
  for (const [name, { data }] of genes) {
    const fault = parameterFault(name, data);
    if (fault !== undefined)
      throw new OneSpikeError(
        'ERR_STATE',
        `Expected weights with ${fault.what} for ${name} but it became ${fault.value}`,
      );
  }
  return genes;
}

function write(native: NativeNetwork, genes: ReadonlyMap<string, FloatTensor>): Promise<void> {
  return writeValues(
    native,
    Array.from(genes, ([name, { data }]) => ({ kind: 'parameter', name, data })),
  );
}
