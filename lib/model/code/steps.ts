// How many time steps a network with a code takes to its answer.
import type { ResolvedNetwork } from '../description';
import { isPool } from '../layer';

/**
 * Returns the number of time steps until a network has decided: T, or with a code those of its layers one after the
 * other. Of `ttfs` each hidden layer takes its window and the output layer one step; of `radix` every weighted layer
 * takes as many steps as there are bits, of `one-spike-phase` the period.
 */
export function stepsToDecision({ code, timesteps, layers }: ResolvedNetwork): number {
  if (code === undefined) return timesteps;
  const weighted = layers.filter(({ type }) => !isPool(type)).length;
  switch (code.kind) {
    case 'ttfs':
      return (weighted - 1) * (code.window + 1) + 1;
    case 'radix':
      return weighted * code.bits;
    case 'one-spike-phase':
      return weighted * code.period;
  }
}

/** The bits of `radix`, the number of steps by which papers count it: told beside the steps until the decision. */
export function bitsOf({ code }: ResolvedNetwork): { bits?: number } {
  return code?.kind === 'radix' ? { bits: code.bits } : {};
}

/** The most spikes that a neuron sends for one image. */
export function mostSpikes(network: ResolvedNetwork): number {
  return bitsOf(network).bits ?? 1;
}
