// What the process holds, and what of it any program for the same work must hold.
import { readFileSync } from 'node:fs';
import type { ResolvedNetwork } from '../../model/description';
import { parameterCount } from '../../model/shapes';

/**
 * Most bytes that this process has had in memory so far. Linux keeps two such numbers: the one of `getrusage` is
 * carried over from the program that started this one, so it is only taken where /proc is missing.
 */
export function peakRss(): number {
  try {
    const kibibytes = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // No /proc.
  }
  return process.resourceUsage().maxRSS * 1024;
}

export interface NeededBytes {
  parameterBytes: number;
  gradientBytes: number;
  optimizerBytes: number;
}

/** Parameters, gradients and one momentum per parameter, in 32-bit floats; the last two only in training. */
export function neededBytes(network: Readonly<ResolvedNetwork>, training: boolean): NeededBytes {
  const parameterBytes = 4 * parameterCount(network);
  const kept = training ? parameterBytes : 0;
  return { parameterBytes, gradientBytes: kept, optimizerBytes: kept };
}
