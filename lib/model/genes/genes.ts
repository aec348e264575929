// Genetic encoding (docs/MATHEMATICS.md, "Genetic encoding"): a description with genes, the tensors that it has, and
// the weights that follow from them.
import { expected } from '../../check';
import { objectOf } from '../../check/schema';
import { limitedInteger } from '../../native/limited';
import { layerName } from '../layer';
import type { ResolvedNetwork } from '../spec';

export type { Genes } from '../spec';

export const genesSchema = objectOf({ count: limitedInteger('genes') });

/** The layers of a network that genes concern. */
export interface GeneLayers {
  /** The convolutions, whose channels have genes. */
  expressing: number[];
  /** Those whose weights follow from genes: all but the first. */
  genetic: number[];
  /** The sides of their kernels, ascending. */
  kernels: number[];
}

/** The layers that genes concern; none in a network without genes. */
export function geneLayers({ genes, layers }: Pick<ResolvedNetwork, 'genes' | 'layers'>): GeneLayers {
  if (genes === undefined) return { expressing: [], genetic: [], kernels: [] };
  const expressing = [...layers.keys()].filter((index) => layers[index]!.type === 'conv');
  const genetic = expressing.slice(1);
  const kernels = [...new Set(genetic.map((index) => layers[index]!.kernel))].sort((a, b) => a - b);
  return { expressing, genetic, kernels };
}

/** Errors: ERR_ARG for a network whose genes would make no weights. */
export function checkGenes(network: Pick<ResolvedNetwork, 'genes' | 'layers'>): void {
  if (network.genes !== undefined && geneLayers(network).genetic.length === 0)
    throw expected(
      'nothing (no convolution follows the first one, which has weights of its own)',
      'genes',
      network.genes,
    );
}

/** The name of the interaction of genes in the layers with a kernel of this side. */
export function interactionName(kernel: number): string {
  return `genes.${kernel}x${kernel}`;
}

/** The number of genes of a channel. Errors: ERR_ARG for a network without genes. */
export function geneCount({ genes }: Pick<ResolvedNetwork, 'genes'>): number {
  if (genes === undefined) throw expected('a network with genes', 'the network', undefined);
  return genes.count;
}

/** The names of weights that follow from genes, among the names of a network's tensors. */
export function derivedWeights(names: Iterable<string>): Set<string> {
  const derived = new Set<string>();
  for (const name of names) if (name.endsWith('.gene_scale')) derived.add(name.replace('.gene_scale', '.weight'));
  return derived;
}

/** Whether a tensor of this name belongs to the genes of a network. */
export function isGene(name: string): boolean {
  return name.startsWith('genes.') || /^layers\.\d+\.(genes|gene_scale)$/.test(name);
}

/** How much smaller genes make a network. */
export interface Compression {
  /** The trainable numbers that stand for the weights of all convolutions: those of the first, and the genes. */
  genes: number;
  /** The weights of all convolutions. */
  weights: number;
  /** The share of the weights that is saved; negative where there are more genes than weights. */
  saved: number;
}

/** Counts the numbers of the convolutions with and without genes. Errors: ERR_ARG for a network without genes. */
export function geneCompression(network: Pick<ResolvedNetwork, 'genes' | 'layers' | 'input'>): Compression {
  const count = geneCount(network);
  const { expressing, genetic, kernels } = geneLayers(network);
  let weights = 0;
  let genes = genetic.length + kernels.reduce((sum, kernel) => sum + (kernel * count) ** 2, 0);
  let [channels] = network.input;
  for (const index of expressing) {
    const { out, kernel } = network.layers[index]!;
    const own = channels * out * kernel ** 2;
    weights += own;
    genes += out * count + (genetic.includes(index) ? 0 : own);
    channels = out;
  }
  return { genes, weights, saved: 1 - genes / weights };
}

/** The description of a network that computes the same with weights of its own. */
export function withoutGenes({ genes: _, ...network }: ResolvedNetwork): ResolvedNetwork {
  return network;
}

/** The tensors of a network, without its genes. */
export function withoutGeneTensors<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...tensors].filter(([name]) => !isGene(name)));
}

/** The names of all genes of a network, by layer. */
export function expressionNames(network: Pick<ResolvedNetwork, 'genes' | 'layers'>): string[] {
  return geneLayers(network).expressing.map((index) => `${layerName(index)}.genes`);
}

/** The names of all matrices of genes: those of the layers, and their interactions. */
export function matrixNames(network: Pick<ResolvedNetwork, 'genes' | 'layers'>): string[] {
  return [...expressionNames(network), ...geneLayers(network).kernels.map(interactionName)];
}

/** The names of the scales of all layers whose weights follow from genes. */
export function scaleNames(network: Pick<ResolvedNetwork, 'genes' | 'layers'>): string[] {
  return geneLayers(network).genetic.map((index) => `${layerName(index)}.gene_scale`);
}
