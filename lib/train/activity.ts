/** Thresholds at which a wanted share of the neurons fires, for networks with random weights (timings, experiments). */
import type { Network } from '../model/network';
import { hiddenLayers } from './state';

// No layer fires at this threshold, and a layer that gets no events costs next to nothing.
const silent = 1e30;
// Networks with random weights shrink their potentials from layer to layer; a smaller threshold would amplify noise.
const least = 0.1;
const highest = 1000;

/**
 * Sets the threshold of every hidden layer, first to last, so that a share `activity` of its neurons fires on `pixels`, and
 * returns the shares reached. A share within 2 % of the wanted one is good enough.
 *
 * The number of neurons that fire falls as the threshold rises, so that halving (in the logarithm) always finds it.
 */
export async function setActivity(network: Network, pixels: Uint8Array, activity: number, signal?: AbortSignal): Promise<number[]> {
  const hidden = hiddenLayers(network);
  const count = pixels.length / network.description.input.reduce((size, side) => size * side, 1);
  const setThreshold = (index: number, value: number): void => network.setParameters({ [`layers.${index}.threshold`]: Float32Array.of(value) });
  for (const { index } of hidden) setThreshold(index, silent);
  const shares: number[] = [];
  for (const [i, { index, neurons }] of hidden.entries()) {
    const shareAt = async (threshold: number): Promise<number> => {
      setThreshold(index, threshold);
      const { stats } = await network.forward(pixels, { signal });
      return (stats.spikes[i] ?? 0) / (count * neurons);
    };
    let share = await shareAt(least);
    if (share > activity) {
      let low = Math.log(least);
      let high = Math.log(highest);
      while (Math.abs(share - activity) > 0.02 * activity && high - low > 1e-4) {
        const middle = (low + high) / 2;
        share = await shareAt(Math.exp(middle));
        if (share > activity) low = middle;
        else high = middle;
      }
    }
    shares.push(share);
  }
  return shares;
}
