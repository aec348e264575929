// What a pixel sends into the first layer, as tables in C.
import { inputEncoding } from '../../native/encoding';
import type { ResolvedNetwork } from '../../model/description';
import { stepTables } from '../onnx/encoding';

export interface PixelTables {
  /**
   * The analog value of every byte, 256 for each channel, and at how many steps it is received; undefined without one.
   */
  analog: { values: Float32Array; steps: number } | undefined;
  /** The step of the one spike of every byte; undefined where there is none. */
  times: Uint8Array | undefined;
  /** The value of every byte at every step, 256 for each step; in place of `times` where a byte sends more than one. */
  values: Float32Array | undefined;
}

/** The tables of a network's encoder. Errors: ERR_ARG for the encoder `rate`. */
export function pixelTables(network: ResolvedNetwork): PixelTables {
  const { encoder, timesteps } = network;
  const tables = stepTables(network);
  const { analogSteps, sends } = inputEncoding(network);
  const analog = analogSteps === 0 ? undefined : { values: tables[0]!.values, steps: analogSteps };
  if (analogSteps === timesteps) return { analog, times: undefined, values: undefined };
  if (encoder === 'hybrid' || encoder === 'ttfs') {
    const times = Uint8Array.from({ length: 256 }, (_, byte) => {
      const row = sends.subarray(byte * timesteps, (byte + 1) * timesteps);
      return row.findIndex((sent, step) => step >= analogSteps && sent !== 0) + 1;
    });
    return { analog, times, values: undefined };
  }
  const values = new Float32Array(256 * timesteps);
  for (const [step, table] of tables.entries()) values.set(table.values, 256 * step);
  return { analog, times: undefined, values };
}
