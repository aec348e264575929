// Codes of a network (docs/MATHEMATICS.md, "Coded networks"): what a neuron sends in place of a spike time of leaky
// integrate-and-fire, as a description says it.
import { z } from 'zod';

import { expected } from '../../check';
import { built, deferred, objectOf } from '../../check/schema';
import { LIMITS } from '../../native/limits';
import { limitedInteger, limitedNumber } from '../../native/limited';

/** The code of a network. Layers work one after the other, and a neuron sends one number as spikes. */
export type Code = TtfsCode | RadixCode | PhaseCode;

/** Time to first spike: one spike in a window of its layer, on a logarithmic clock; earlier is more. */
export interface TtfsCode {
  kind: 'ttfs';
  /** t_w, the last step of a layer's window, which has the steps 0 to t_w. */
  window: number;
}

/** The bits of an integer, the most significant first: as many spikes as it has ones. */
export interface RadixCode {
  kind: 'radix';
  /** The number of bits, from 1 to 8. */
  bits: number;
  /**
   * The number of bits of a weight, from 2 to 16, for arithmetic in integers: weights are rounded to integers of so
   * many bits times a power of two per layer, and steps to powers of two. Without it they are what they are.
   */
  weightBits?: number | undefined;
}

/** One spike in a period that all layers share: a spike at step k counts base^-k. */
export interface PhaseCode {
  kind: 'one-spike-phase';
  /** The base, above 1. */
  base: number;
  /** K, the number of steps of the period. */
  period: number;
}

/** The names of the codes. */
export const CODES = ['ttfs', 'radix', 'one-spike-phase'] as const satisfies readonly Code['kind'][];

export const codeSchema = deferred(() =>
  z.discriminatedUnion(
    'kind',
    [
      built(objectOf({ kind: z.literal('ttfs'), window: limitedInteger('window') })),
      built(
        objectOf({
          kind: z.literal('radix'),
          bits: limitedInteger('bits'),
          weightBits: limitedInteger('weightBits').optional(),
        }),
      ),
      built(
        objectOf({ kind: z.literal('one-spike-phase'), base: limitedNumber('base'), period: limitedInteger('period') }),
      ),
    ],
    { error: `a code, { kind: '${CODES.join("' | '")}', ... }` },
  ),
);

/** The initial t_c and t_d of a layer under the code `ttfs`. */
export interface TtfsNumbers {
  timeConstant: number;
  delay: number;
}

/** Checks the initial numbers of a hidden layer. Errors: ERR_ARG. */
export function resolveTtfs(
  { window }: TtfsCode,
  { timeConstant = 2, delay = 0 }: { timeConstant?: number | undefined; delay?: number | undefined },
  where: string,
): TtfsNumbers {
  const least = window + 0.5 - LIMITS.exponent.max * Math.fround(timeConstant);
  const most = LIMITS.exponent.max * Math.fround(timeConstant);
  if (!(delay >= least && delay <= most))
    throw expected(
      `a number from ${least} to ${most} (with a window of ${window} and timeConstant ${timeConstant})`,
      `${where}.delay`,
      delay,
    );
  return { timeConstant, delay };
}

/** Errors: ERR_ARG for a phase code whose last step counts so little that 32 bits do not hold it. */
export function checkCode(code: Code): void {
  if (code.kind !== 'one-spike-phase') return;
  const longest = Math.floor(LIMITS.exponent.max / Math.log(code.base) + 0.5);
  if (code.period > longest)
    throw expected(
      `an integer from 1 to ${Math.min(longest, LIMITS.period.max)} with this base`,
      'code.period',
      code.period,
    );
}

/** The tensors that a hidden layer has in place of threshold and leak, after its name; each is one number. */
export function codeTensors(code: Code): readonly string[] {
  switch (code.kind) {
    case 'ttfs':
      return ['time_constant', 'delay'];
    case 'radix':
      return ['step'];
    case 'one-spike-phase':
      return [];
  }
}

/** Errors: ERR_ARG for a network with a code, where neurons with time steps, thresholds and leaks are wanted. */
export function checkNoCode({ code }: { readonly code?: Code }): void {
  if (code !== undefined) throw expected('a network without a code', 'the network', code.kind);
}
