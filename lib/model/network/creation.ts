// What Network.create checks before native memory is asked for.
import { totalmem } from 'node:os';

import { checkBoolean, checkInteger, checkOneOf, checkOptions } from '../../check';
import { OneSpikeError } from '../../errors';
import { defaultThreads, resolveBackend, type ChosenBackend } from '../../native/devices';
import { LIMITS } from '../../native/limits';
import type { ResolvedNetwork } from '../description';
import { parameterCount } from '../shapes';
import type { NetworkOptions, Precision } from './options';

export const PRECISIONS = ['fp32', 'mixed'] as const satisfies readonly Precision[];

export const NETWORK_OPTIONS = [
  'backend',
  'device',
  'seed',
  'threads',
  'precision',
  'profile',
] as const satisfies readonly (keyof NetworkOptions)[];

/** The options of a network with their defaults filled in, and the backend that they lead to. */
export interface CheckedOptions {
  chosen: ChosenBackend;
  seed: number;
  threads: number;
  precision: Precision;
  profile: boolean;
}

/** Errors: ERR_ARG, ERR_NO_BACKEND. */
export function checkNetworkOptions(options: unknown): CheckedOptions {
  const { backend, device, seed, threads, precision, profile } = checkOptions(options, 'options', NETWORK_OPTIONS);
  const checkedSeed = checkInteger(seed === undefined ? 0 : seed, 'seed', LIMITS.seed);
  const wanted = checkInteger(threads === undefined ? 0 : threads, 'threads', { min: 0, max: LIMITS.threads.max });
  const given = precision === undefined ? undefined : checkOneOf(precision, 'precision', PRECISIONS);
  const measured = checkBoolean(profile ?? false, 'profile');
  const chosen = resolveBackend(backend, device);
  return {
    chosen,
    seed: checkedSeed,
    threads: wanted === 0 ? defaultThreads() : wanted,
    precision: given ?? (chosen.backend === 'cuda' ? 'mixed' : 'fp32'),
    profile: measured,
  };
}

/** Linux grants memory that it does not have and kills the process later, so what cannot fit is refused at once. */
export function checkMemory(description: ResolvedNetwork): void {
  const parameters = parameterCount(description);
  const needed = parameters * 4 * 4; // float32: parameters, gradients, and packed copies for both directions
  const available = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  if (needed > available) {
    throw new OneSpikeError(
      'ERR_OOM',
      `Expected a network of at most ${available} bytes but received one of ${parameters} parameters, which needs ${needed}`,
    );
  }
}

/** Freezes a plain value and all it holds. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
