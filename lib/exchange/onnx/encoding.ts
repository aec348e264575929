// What the first layer receives at each step (docs/MATHEMATICS.md, "Input encodings"), as tables with a value for every
// byte. Numbers are computed in double precision and rounded once, as native code does (native/ops/encoders.h).
import { expected } from '../../check';
import { inputEncoding } from '../../native/encoding';
import type { Encoder, ResolvedNetwork } from '../../model/description';

/** The values of a step: 256 for each channel, or 256 for all. */
export interface StepTable {
  perChannel: boolean;
  values: Float32Array;
}

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

/**
 * The tables of the steps, in their order; steps at which the same arrives share one. Errors: ERR_ARG for the encoder
 * `rate`.
 */
export function stepTables(network: ResolvedNetwork): StepTable[] {
  const { encoder, timesteps } = network;
  const { random, analogSteps, sends } = inputEncoding(network);
  if (random)
    throw expected(
      `another encoder than '${encoder}', whose spikes are drawn at random,`,
      'the network to be exported',
      encoder,
    );
  const analog = analogTable(network);
  return Array.from({ length: timesteps }, (_, step) => {
    if (step < analogSteps) return analog;
    const value = (byte: number): number => {
      const row = sends.subarray(byte * timesteps, (byte + 1) * timesteps);
      return row[step] === 0 ? 0 : eventValue(encoder, row, step);
    };
    return { perChannel: false, values: Float32Array.from(BYTES, value) };
  });
}

function analogTable({ mean, std }: ResolvedNetwork): StepTable {
  // Native code has mean and deviation as floats.
  const values = mean.flatMap((value, c) =>
    BYTES.map((byte) => (byte / 255 - Math.fround(value)) / Math.fround(std[c]!)),
  );
  return { perChannel: true, values: Float32Array.from(values) };
}

/** The value of an event, of a byte that sends at the steps of `row`. */
function eventValue(encoder: Encoder, row: Uint8Array, step: number): number {
  switch (encoder) {
    case 'phase':
      return 2 ** -(1 + (step % 8));
    case 'radix':
      // Native code multiplies powers of two by the smallest value, a float.
      return 2 ** (row.length - 1 - step) * Math.fround(1 / (2 ** row.length - 1));
    case 'burst': {
      // It doubles with every event that follows another.
      const pause = row.lastIndexOf(0, step);
      return 2 ** (step - pause - 1) / 8;
    }
    case 'hybrid':
    case 'direct':
    case 'rate':
    case 'ttfs':
      return 1;
  }
}
