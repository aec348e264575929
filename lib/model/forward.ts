// Forward passes over any number of images: in pieces, so that neither the buffers of native code nor the copy of the
// results on the JS thread grow with the batch.
import type { DeviceBatch, NativeNetwork, NativeOutputs, NativeStats } from '../native/network';
import type { Mode } from './network-inputs';

/** What a step reports: sums over its images, except `loss`, which is their mean. */
export interface StepStats extends NativeStats {
  /** With `earlyExit`: mean over the images of the step at which they were decided. */
  meanDecisionStep?: number;
}

// Bytes that one call copies on the JS thread: about 4 ms of memcpy, so that the event loop stays responsive.
const MAX_BYTES = 16 * 2 ** 20;
// More images per call gain nothing: the kernels are saturated far below.
const MAX_IMAGES = 512;

/** Images per call when each moves `bytes` bytes across the boundary. */
export function imagesPerCall(bytes: number): number {
  return Math.max(1, Math.min(MAX_IMAGES, Math.floor(MAX_BYTES / bytes)));
}

/** Where the results of all images go; sizes per image as in NativeOutputs. */
export interface ForwardBuffers {
  logits?: Float32Array | undefined;
  potentials?: Float32Array | undefined;
  spikeTimes?: Uint8Array[] | undefined;
  decisionSteps?: Uint8Array | undefined;
}

/** Runs `count` images through the network, `step` at a time, and adds the statistics up. */
export async function forwardInPieces(
  network: NativeNetwork,
  batch: DeviceBatch,
  count: number,
  step: number,
  mode: Mode,
  out: ForwardBuffers,
  signal?: AbortSignal,
): Promise<StepStats> {
  let total: StepStats | undefined;
  for (let start = 0; start < count; start += step) {
    const end = Math.min(count, start + step);
    const part = end - start === count ? batch : piece(batch, start, end, count);
    const stats = await network.forward(part, mode, outputs(out, start, end, count), signal);
    total = total === undefined ? stats : add(total, stats);
  }
  if (out.decisionSteps !== undefined)
    total!.meanDecisionStep = out.decisionSteps.reduce((sum, step) => sum + step, 0) / count;
  return total!;
}

function piece(batch: DeviceBatch, start: number, end: number, count: number): DeviceBatch {
  if ('dataset' in batch) return { dataset: batch.dataset, indices: batch.indices.subarray(start, end) };
  return { pixels: rows(batch.pixels, start, end, count), labels: batch.labels?.subarray(start, end) };
}

function outputs(out: ForwardBuffers, start: number, end: number, count: number): NativeOutputs {
  return {
    logits: out.logits && rows(out.logits, start, end, count),
    potentials: out.potentials && rows(out.potentials, start, end, count),
    decisionSteps: out.decisionSteps && rows(out.decisionSteps, start, end, count),
    spikeTimes: out.spikeTimes?.map((times) => rows(times, start, end, count)),
  };
}

function rows<T extends Uint8Array | Float32Array>(array: T, start: number, end: number, count: number): T {
  const size = array.length / count;
  return array.subarray(start * size, end * size) as T;
}

function add(a: StepStats, b: StepStats): StepStats {
  const count = a.count + b.count;
  return {
    loss: (a.loss * a.count + b.loss * b.count) / count,
    correct: a.correct + b.correct,
    count,
    spikes: a.spikes.map((value, i) => value + b.spikes[i]!),
    gradientNorm: 0,
    badLayer: a.badLayer >= 0 ? a.badLayer : b.badLayer,
    seconds: a.seconds + b.seconds,
  };
}
