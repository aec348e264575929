// Genes that begin so that every layer learns at the same rate (docs/MATHEMATICS.md, "Initial weights").
import { layerName } from '../layer';
import type { FloatTensor } from '../parameters';
import type { ResolvedNetwork } from '../spec';
import { geneLayers } from './genes';

/**
 * The genes and scales of a new network, changed so that the genes of a layer have the variance of the dense weights
 * that they stand for, the geometric mean of 2 / fan-in over the layers which use them, in place of 1 / G. The weights
 * that follow from them are the same but for rounding.
 */
export function evenGenes(
  description: ResolvedNetwork,
  tensors: ReadonlyMap<string, FloatTensor>,
): Map<string, FloatTensor> {
  const { expressing, genetic } = geneLayers(description);
  const scaleOf = (index: number): FloatTensor => tensors.get(`${layerName(index)}.gene_scale`)!;
  const count = description.genes!.count;
  const changed = new Map<string, FloatTensor>();
  let before = 1;
  expressing.forEach((index, position) => {
    const users = expressing.slice(position, position + 2).filter((user) => genetic.includes(user));
    // A scale begins as the deviation of dense weights.
    const deviation = users.reduce((product, user) => product * scaleOf(user).data[0]! ** (1 / users.length), 1);
    const factor = deviation * Math.sqrt(count);
    const name = `${layerName(index)}.genes`;
    const { shape, data } = tensors.get(name)!;
    changed.set(name, { shape, data: data.map((gene) => gene * factor) });
    if (genetic.includes(index)) {
      const scale = scaleOf(index);
      const data = scale.data.map((value) => value / (before * factor));
      changed.set(`${layerName(index)}.gene_scale`, { shape: scale.shape, data });
    }
    before = factor;
  });
  return changed;
}
