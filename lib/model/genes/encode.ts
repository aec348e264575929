// The genetic encoding of a network that has weights of its own (docs/MATHEMATICS.md, "Genes fitted to weights").
import { checkOptions } from '../../check';
import { resolveNetwork } from '../description';
import { Network, type NetworkOptions } from '../network';
import { NETWORK_OPTIONS } from '../network/creation';
import { parameterShapes } from '../shapes';
import { FIT_OPTIONS, type FitGenesOptions, type GeneFit } from './fit';
import { derivedWeights, withoutGeneTensors } from './genes';

/** A network with genes, and how near its weights come to those of the network that it encodes. */
export interface EncodedNetwork extends GeneFit {
  /** The network, of which the caller disposes. */
  network: Network;
}

/** Options of `encodeGenes`: where the new network computes, and how its genes are fitted. */
export interface EncodeGenesOptions extends NetworkOptions, FitGenesOptions {}

/**
 * Encodes a network in so many genes: the weights of all convolutions but the first follow from genes that are fitted
 * to them, and every other parameter is the same. `network` stays as it is. The fit begins with random genes, which
 * `seed` draws.
 * Errors: ERR_ARG for a number of genes that is out of range and a network without a second convolution; those of
 * `Network.create` and `network.fitGenes`.
 */
export async function encodeGenes(
  network: Network,
  count: number,
  options: EncodeGenesOptions = {},
): Promise<EncodedNetwork> {
  const { steps, signal, onProgress, ...on } = checkOptions(options, 'options', [
    ...FIT_OPTIONS,
    ...NETWORK_OPTIONS,
  ]) as EncodeGenesOptions;
  const parameters = await network.parameters();
  const encoded = await Network.create(resolveNetwork({ ...network.description, genes: { count } }), on);
  try {
    const derived = derivedWeights(parameterShapes(encoded.description).map(({ name }) => name));
    const others = [...withoutGeneTensors(parameters)].filter(([name]) => !derived.has(name));
    await encoded.setParameters(new Map(others));
    const { residual } = await encoded.fitGenes(parameters, { steps, signal, onProgress });
    return { network: encoded, residual };
  } catch (error) {
    await encoded.dispose();
    throw error;
  }
}
