// How the convolutions of a new network begin, where that is not at random (docs/MATHEMATICS.md, "Initial weights").
import { expected } from '../../check';
import { flag, objectOf } from '../../check/schema';
import type { ImageSet } from '../../data';
import type { OneSpikeError } from '../../errors';
import type { ResolvedLayer, ResolvedNetwork } from '../../model/description';
import { evenGenes } from '../../model/genes/even';
import { orthogonalGenes } from '../../model/genes/orthogonal';
import { layerName } from '../../model/layer';
import type { Network } from '../../model/network';
import type { FloatTensor } from '../../model/parameters';
import { whitened } from './whitening';

/** What is off in a preset, and in a run of a version that did not have it. */
export const plainStart = { whitening: false, dirac: false, evenGenes: false, orthogonalGenes: false };

/** The schema of `start`. */
export const startSchema = objectOf({
  whitening: flag.default(plainStart.whitening),
  dirac: flag.default(plainStart.dirac),
  evenGenes: flag.default(plainStart.evenGenes),
  orthogonalGenes: flag.default(plainStart.orthogonalGenes),
});

/** How the convolutions of a new network begin. */
export interface StartOptions {
  /** Whether the first layer whitens the patches of the training images. */
  whitening: boolean;
  /** Whether the other convolutions hand on their channels at first, as far as they have outputs. */
  dirac: boolean;
  /** Whether genes have the variance of dense weights at first, so that every layer learns at the same rate. */
  evenGenes: boolean;
  /** Whether genes and interactions are orthogonal matrices at first, so that every direction of the weights learns. */
  orthogonalGenes: boolean;
}

/** Images whose patches are measured: 450,000 patches of images of 32 x 32 pixels. */
export const WHITENING_IMAGES = 500;
/** Inputs of one neuron of the first layer whose covariance is decomposed within seconds. */
const MOST_INPUTS = 256;

/** Errors: ERR_ARG, naming the option that does not go with genes, or needs them. */
export function checkGeneStart(start: StartOptions, genetic: boolean): void {
  for (const key of ['evenGenes', 'orthogonalGenes'] as const)
    if (start[key] && !genetic) throw expected('false (the network has no genes)', `start.${key}`, true);
  if (start.dirac && genetic)
    throw expected('false (the weights of convolutions follow from genes)', 'start.dirac', true);
}

/** Errors: ERR_ARG where the first layer of a network cannot whiten its input as `start.whitening` asks. */
export function checkWhitening({ whitening }: StartOptions, network: ResolvedNetwork): void {
  if (!whitening) return;
  const refuse = (why: string): OneSpikeError => expected(`false (${why})`, 'start.whitening', true);
  const first = network.layers[0]!;
  const [channels, height, width] = network.input;
  if (network.code !== undefined) throw refuse('a network with a code has an input of its own');
  if (first.type !== 'conv') throw refuse('the first layer is no convolution');
  const inputs = channels * first.kernel ** 2;
  if (inputs > MOST_INPUTS) throw refuse(`a neuron of the first layer has ${inputs} inputs, more than ${MOST_INPUTS}`);
  if (first.kernel > Math.min(height, width)) throw refuse('no window of the first layer lies within an image');
}

/** Refuses any start, where something else gives the weights. Errors: ERR_ARG, naming the option. */
export function refuseStart(start: StartOptions, why: string): void {
  for (const [key, asked] of Object.entries(start)) if (asked) throw expected(`false (${why})`, `start.${key}`, true);
}

/** Gives a new network the start that is asked for, with images [rows] of `images`. */
export async function setStart(
  network: Network,
  { whitening, dirac, evenGenes: even, orthogonalGenes: orthogonal }: StartOptions,
  images: Pick<ImageSet, 'pixels'>,
  rows: Uint32Array,
): Promise<void> {
  if (!whitening && !dirac && !even && !orthogonal) return;
  const { description } = network;
  const tensors = await network.parameters();
  const changed = orthogonal ? await orthogonalGenes(description, tensors) : new Map<string, FloatTensor>();
  if (even)
    for (const [name, tensor] of evenGenes(description, new Map([...tensors, ...changed]))) changed.set(name, tensor);
  for (const [index, layer] of description.layers.entries()) {
    if (layer.type !== 'conv') continue;
    const name = `${layerName(index)}.weight`;
    const { shape, data } = tensors.get(name)!;
    if (index === 0 && whitening)
      changed.set(name, { shape, data: await whitened(description, layer, images, rows, data) });
    else if (dirac) changed.set(name, { shape, data: handedOn(layer, shape[1]!, data) });
  }
  await network.setParameters(changed);
}

/** Output o < C is channel o, by a 1 in the middle of its kernel; the other rows keep `weights`. */
function handedOn({ out, kernel }: ResolvedLayer, channels: number, weights: Float32Array): Float32Array {
  const result = Float32Array.from(weights);
  const taps = kernel ** 2;
  const middle = Math.floor(kernel / 2) * (kernel + 1);
  for (let o = 0; o < Math.min(out, channels); o++) {
    result.fill(0, o * channels * taps, (o + 1) * channels * taps);
    result[(o * channels + o) * taps + middle] = 1;
  }
  return result;
}
