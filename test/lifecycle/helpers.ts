// Small networks, jobs long enough to be caught running, and the code of whatever goes wrong.
import { hostInfo, resolveBackend, type BackendName } from '../../lib/native/devices';
import { isOneSpikeError, type ErrorCode } from '../../lib/errors';
import type { NetworkDescription } from '../../lib/model/description';
import { Network } from '../../lib/model/network';
import type { On } from '../helpers/backends';

export const tiny: NetworkDescription = {
  input: [2, 4, 4],
  timesteps: 3,
  layers: [{ type: 'conv', out: 4 }, { type: 'avgpool' }, { type: 'linear', out: 5, output: true }],
};
export const TINY_PIXELS = 2 * 4 * 4;
export const TINY_CLASSES = 5;

/** Several layers of some 10 million multiply-accumulates per image. */
export const heavy: NetworkDescription = {
  input: [3, 32, 32],
  timesteps: 5,
  layers: [
    ...Array.from({ length: 6 }, () => ({ type: 'conv' as const, out: 32, threshold: 0.3 })),
    { type: 'linear', out: 10, output: true },
  ],
};
/** So many that a job runs for longer than the test needs; a GPU is some fifty times as fast as a core. */
export const heavyImages = (backend: BackendName): number => (backend === 'cuda' ? 20000 : 400);

/** Bytes that differ from image to image. */
export function pixels(images: number, size: number): Uint8Array {
  const bytes = new Uint8Array(images * size);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i * 73 + Math.floor(i / size) * 31;
  return bytes;
}

export function labels(images: number, classes: number): Int32Array {
  return Int32Array.from({ length: images }, (_, i) => i % classes);
}

export function heavyBatch(backend: BackendName): { pixels: Uint8Array; labels: Int32Array } {
  const images = heavyImages(backend);
  return { pixels: pixels(images, 3 * 32 * 32), labels: labels(images, 10) };
}

export const sgd = { kind: 'sgd', learningRate: 0.01 } as const;

/** A network and a job of it that runs for as long as the test needs. */
export async function running(on: On): Promise<{ network: Network; job: Promise<unknown>; stop: () => Promise<void> }> {
  const network = await Network.create(heavy, { ...on, threads: 1 });
  const controller = new AbortController();
  const job = network.trainStep(heavyBatch(on.backend), { optimizer: sgd, signal: controller.signal });
  job.catch(() => undefined);
  const stop = async (): Promise<void> => {
    controller.abort();
    await job.catch(() => undefined);
    await network.dispose();
  };
  return { network, job, stop };
}

/** `ok`, or the code of the failure; a failure without a code is thrown on. */
export async function outcome(action: () => unknown): Promise<'ok' | ErrorCode> {
  try {
    await action();
    return 'ok';
  } catch (error) {
    if (isOneSpikeError(error)) return error.code;
    throw error;
  }
}

/** A typed array whose memory was transferred away. */
export function detached<T extends Uint8Array | Int32Array | Uint32Array | Float32Array>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

/** For workers and child processes, which load the addon themselves: its path, and a specification it takes. */
export function rawAddon(
  description: 'tiny' | 'heavy',
  backend: BackendName = 'cpu',
): { path: string; spec: unknown; size: number; classes: number } {
  const layer = {
    kernel: 3,
    stride: 1,
    padding: 1,
    pool: 1,
    bias: false,
    norm: 'none',
    output: false,
    leak: 0.9,
    threshold: 0.3,
    dropout: 0,
  };
  const isTiny = description === 'tiny';
  const convs = isTiny ? 1 : 6;
  const classes = isTiny ? TINY_CLASSES : 10;
  const input = isTiny ? [2, 4, 4] : [3, 32, 32];
  const spec = {
    input,
    timesteps: 5,
    mean: new Array(input[0]).fill(0.5),
    std: new Array(input[0]).fill(0.5),
    alpha: 1,
    beta: 1,
    gamma: 0.3,
    surrogateScale: 1,
    surrogate: 'triangle',
    schedules: false,
    normGroup: 64,
    encoder: 'hybrid',
    lo: 0,
    hi: 1,
    backend,
    device: resolveBackend(backend).device ?? 0,
    precision: 'fp32',
    profile: false,
    seed: 1,
    threads: 1,
    layers: [
      ...Array.from({ length: convs }, () => ({ ...layer, type: 'conv', out: isTiny ? 4 : 32 })),
      { ...layer, type: 'linear', out: classes, output: true },
    ],
  };
  return { path: hostInfo().binaryPath, spec, size: input[0]! * input[1]! * input[2]!, classes };
}

export const rawSgd = {
  kind: 'sgd',
  learningRate: 0.01,
  neuronLearningRate: 0.01,
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  amsgrad: false,
  clipNorm: 0,
  ema: 0,
};

export const rawLoss = { labelSmoothing: 0, distillation: null, activity: null, timeWeights: null };

export const rawSimulation = {
  code: 'rate',
  timesteps: 4,
  threshold: 1,
  stride: 4,
  timeConstants: [],
  delays: [],
  activations: [1],
  seed: 1,
  threads: 1,
  record: 1,
  logitSteps: [4],
  first: 0,
};

/** What `rawSimulation` of images of the tiny network fills. */
export const simulated = (images: number): { predictions: Int32Array; logits: Float32Array } => ({
  predictions: new Int32Array(images * rawSimulation.timesteps),
  logits: new Float32Array(images * TINY_CLASSES),
});
