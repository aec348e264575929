// The range of the numbers that the command takes and its settings check.
import type { Range } from '../../check/values';
import { LIMITS } from '../../native/limits';

export const EVOLUTION_LIMITS = {
  generations: { min: 1, max: 1000 },
  population: { min: 2, max: 1000 },
  parents: { min: 1, max: 1000 },
  epochs: { min: 1, max: 1000 },
  /** Training images of an individual; 0 for all. */
  images: { min: 0, max: LIMITS.images.max },
  /** The size of a mutation, above `min`. */
  sigma: { min: 0, max: 10 },
} as const satisfies Record<string, Range>;
