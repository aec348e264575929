// What the input encoders send into the first layer.
import type { ResolvedNetwork } from '../model/description';

/** Spike time of a pixel byte over the steps first..T, brighter is earlier; float64. */
function codedTime(byte: number, timesteps: number, first: number, lo: number, hi: number): number {
  const share = Math.min(1, Math.max(0, (byte / 255 - lo) / (hi - lo)));
  return Math.floor(timesteps + (first - timesteps) * share + 0.5);
}

/**
 * Events of one pixel over all steps, for every channel and byte: entry `channel * 256 + byte`.
 * Whole numbers but for the rate encoder, whose spikes are drawn at random: there it is the expected number,
 * T·min(|x|, 1).
 */
export function inputEvents(network: ResolvedNetwork): Float64Array {
  const { encoder, timesteps, lo, hi, mean, std } = network;
  return Float64Array.from({ length: network.input[0] * 256 }, (_, index) => {
    const byte = index & 255;
    if (encoder === 'direct') return 0;
    if (encoder === 'rate')
      return timesteps * Math.min(1, Math.abs((byte / 255 - mean[index >> 8]!) / std[index >> 8]!));
    const first = encoder === 'hybrid' ? 2 : 1;
    const time = codedTime(byte, timesteps, first, lo, hi);
    return time >= first && time <= timesteps ? 1 : 0;
  });
}

/** Steps at which the first layer sees analog values, and so does a dense pass. */
export function analogSteps(network: ResolvedNetwork): number {
  return { hybrid: 1, direct: network.timesteps, rate: 0, ttfs: 0 }[network.encoder];
}
