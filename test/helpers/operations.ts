// Operations counted by dense loops over every product: what lib/energy must find without them.
import { layerShapes, type ResolvedNetwork } from '../../lib/model/description';

/** A small generator of reproducible numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function randomBatch(
  network: ResolvedNetwork,
  images: number,
  seed: number,
): { pixels: Uint8Array; maps: Map<string, Uint8Array> } {
  const random = generator(seed);
  const [channels, height, width] = network.input;
  const pixels = Uint8Array.from({ length: images * channels * height * width }, () => random() * 256);
  const maps = new Map<string, Uint8Array>();
  for (const { layer, neurons } of layerShapes(network))
    if (neurons > 0)
      maps.set(
        `layers.${layer}`,
        Uint8Array.from({ length: images * neurons }, () =>
          random() < 0.4 ? 1 + Math.floor(random() * network.timesteps) : 0,
        ),
      );
  return { pixels, maps };
}

/** Events of every pixel of the input, by the formula of the encoding, step by step. */
export function naiveInput(network: ResolvedNetwork, pixels: ArrayLike<number>): number[] {
  const { timesteps, encoder, lo, hi, mean, std, input } = network;
  return Array.from(pixels, (byte, i) => {
    const channel = Math.floor(i / (input[1] * input[2])) % input[0];
    if (encoder === 'direct') return 0;
    if (encoder === 'rate') return timesteps * Math.min(1, Math.abs((byte / 255 - mean[channel]!) / std[channel]!));
    if (encoder === 'phase' || encoder === 'burst' || encoder === 'radix')
      return Array.from({ length: timesteps }, (_, t) => powerSpike(encoder, byte, t + 1, timesteps)).filter(Boolean)
        .length;
    const first = encoder === 'hybrid' ? 2 : 1;
    let events = 0;
    const share = Math.max(0, Math.min(1, (byte / 255 - lo) / (hi - lo)));
    for (let t = first; t <= timesteps; t++)
      if (Math.floor(timesteps + (first - timesteps) * share + 0.5) === t) events++;
    return events;
  });
}

/** Whether a pixel sends at step t in the encodings by powers of two. */
export function powerSpike(encoder: 'phase' | 'burst' | 'radix', byte: number, t: number, timesteps: number): boolean {
  if (encoder === 'phase') return Math.floor(byte / 2 ** (7 - ((t - 1) % 8))) % 2 === 1;
  if (encoder === 'radix') {
    const n = Math.floor(((2 ** timesteps - 1) * byte) / 255 + 0.5);
    return Math.floor(n / 2 ** (timesteps - t)) % 2 === 1;
  }
  let rest = byte / 255;
  let size = 1 / 8;
  let sends = false;
  for (let step = 1; step <= t; step++) {
    sends = rest >= size;
    rest -= sends ? size : 0;
    size = sends ? 2 * size : 1 / 8;
  }
  return sends;
}

/**
 * Accumulates per weighted layer of one image by dense loops over every product of every layer; or of the events that
 * each neuron receives what `score` makes of them.
 */
export function naiveAccumulates(
  network: ResolvedNetwork,
  events: number[],
  maps: Map<string, number[]>,
  score: (received: number) => number = (received) => received,
): number[] {
  const result: number[] = [];
  let [channels, height, width] = network.input;
  let map = events;
  network.layers.forEach((layer, index) => {
    const at = (c: number, y: number, x: number): number =>
      y < 0 || x < 0 || y >= height || x >= width ? 0 : map[(c * height + y) * width + x]!;
    if (layer.type === 'avgpool') {
      const rows = Math.floor(height / layer.kernel);
      const columns = Math.floor(width / layer.kernel);
      const pooled: number[] = [];
      for (let c = 0; c < channels; c++)
        for (let y = 0; y < rows; y++)
          for (let x = 0; x < columns; x++) {
            let sum = 0;
            for (let dy = 0; dy < layer.kernel; dy++)
              for (let dx = 0; dx < layer.kernel; dx++) sum += at(c, y * layer.kernel + dy, x * layer.kernel + dx);
            pooled.push(sum);
          }
      [height, width, map] = [rows, columns, pooled];
      return;
    }
    let accumulates = 0;
    if (layer.type === 'linear') {
      accumulates = score(map.reduce((a, b) => a + b, 0)) * layer.out;
      [channels, height, width] = [layer.out, 1, 1];
    } else {
      let [rows, columns] = [0, 0];
      for (let y = -layer.padding; y + layer.kernel <= height + layer.padding; y += layer.stride, rows++) {
        columns = 0;
        for (let x = -layer.padding; x + layer.kernel <= width + layer.padding; x += layer.stride, columns++)
          for (let o = 0; o < layer.out; o++) {
            let received = 0;
            for (let c = 0; c < channels; c++)
              for (let ky = 0; ky < layer.kernel; ky++)
                for (let kx = 0; kx < layer.kernel; kx++) received += at(c, y + ky, x + kx);
            accumulates += score(received);
          }
      }
      [channels, height, width] = [layer.out, rows, columns];
    }
    result.push(accumulates);
    map = maps.get(`layers.${index}`)!;
  });
  return result;
}
