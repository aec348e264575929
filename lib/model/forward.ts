// Forward passes over any number of images: in pieces, so that neither the buffers of native code nor the copy of the
// results on the JS thread grow with the batch.
import { checkBoolean } from '../check';
import { OneSpikeError } from '../errors';
import type { DeviceBatch, NativeNetwork, NativeOutputs, NativeStats } from '../native/network';
import { argmax } from './anytime';
import { checkBatch, checkEarlyExit, checkJob, checkPixels, type BatchShape, type Mode } from './network-inputs';
import type { ForwardResult } from './network-options';
import { SpikeTimes } from './spike-times';

/** What a step reports: sums over its images, except `loss`, which is their mean. */
export interface StepStats extends NativeStats {
  /** With `earlyExit`: mean over the images of the step at which they were decided. */
  meanDecisionStep?: number;
}

/** Sizes of a network that decide how large its results are. */
export interface NetworkSizes extends BatchShape {
  timesteps: number;
  /** Spiking layers in order, the output layer last: entry in the layer list, and neurons per image. */
  layers: readonly { readonly layer: number; readonly neurons: number }[];
}

/** Checks the arguments of `Network.forward` and returns the job that they describe. */
export function forwardJob(
  native: NativeNetwork,
  sizes: NetworkSizes,
  pixels: unknown,
  options: unknown,
): () => Promise<ForwardResult> {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'trace', 'potentials', 'earlyExit']);
  const trace = checkBoolean(given['trace'] ?? false, 'trace');
  const traced = checkBoolean(given['potentials'] ?? false, 'potentials');
  if (mode === 'ann' && (trace || traced))
    throw new OneSpikeError(
      'ERR_ARG',
      "Expected mode 'snn' for trace and potentials but received 'ann', which has no time",
    );
  const earlyExit = checkEarlyExit(given, mode);
  if (earlyExit && (trace || traced))
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected earlyExit without trace and potentials but received both: steps after the decision are not computed',
    );
  const batch = checkPixels(pixels, 'pixels', sizes);
  const { count } = batch;
  const { classes, timesteps, layers } = sizes;
  const out = allocate(() => ({
    logits: new Float32Array(count * classes),
    decisionSteps: earlyExit ? new Uint8Array(count) : undefined,
    potentials: traced ? new Float32Array(count * timesteps * classes) : undefined,
    spikeTimes: trace ? layers.map(({ neurons }) => new Uint8Array(count * neurons)) : undefined,
  }));
  const bytes =
    imageBytes(sizes) +
    4 * classes * (traced ? timesteps + 1 : 1) +
    (trace ? layers.reduce((sum, { neurons }) => sum + neurons, 0) : 0);
  return async () => {
    const images = { pixels: batch.pixels };
    const stats = await forwardInPieces(native, images, count, imagesPerCall(bytes), mode, out, signal);
    const predictions = Int32Array.from({ length: count }, (_, n) => argmax(out.logits, n * classes, classes));
    const result: ForwardResult = { logits: out.logits, predictions, stats };
    if (out.decisionSteps) result.decisionSteps = out.decisionSteps;
    if (out.potentials) result.potentials = out.potentials;
    if (out.spikeTimes)
      result.spikeTimes = new SpikeTimes(out.spikeTimes.map((times, i) => [`layers.${layers[i]!.layer}`, times]));
    return result;
  };
}

/** Checks the arguments of `Network.evaluate` and returns the job that they describe. */
export function evaluateJob(
  native: NativeNetwork,
  sizes: NetworkSizes,
  batch: unknown,
  options: unknown,
): () => Promise<StepStats> {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'earlyExit']);
  const earlyExit = checkEarlyExit(given, mode);
  const { batch: checked, count } = checkBatch(batch, 'batch', sizes, true);
  // Augmentation is a function of the position in the batch, so an augmented one stays whole.
  const whole = 'dataset' in checked && checked.augment !== undefined;
  const step = whole ? count : imagesPerCall(imageBytes(sizes));
  const out = { decisionSteps: earlyExit ? new Uint8Array(count) : undefined };
  return () => forwardInPieces(native, checked, count, step, mode, out, signal);
}

function imageBytes({ input }: BatchShape): number {
  return input[0] * input[1] * input[2];
}

/** Allocation that reports the lack of memory by its code. */
function allocate<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', 'Out of memory: no room for the results of this many images', { cause });
  }
}

// Bytes that one call copies on the JS thread: about 4 ms of memcpy, so that the event loop stays responsive.
const MAX_BYTES = 16 * 2 ** 20;
// More images per call gain nothing: the kernels are saturated far below.
const MAX_IMAGES = 512;

/** Images per call when each moves `bytes` bytes across the boundary. */
function imagesPerCall(bytes: number): number {
  return Math.max(1, Math.min(MAX_IMAGES, Math.floor(MAX_BYTES / bytes)));
}

/** Where the results of all images go; sizes per image as in NativeOutputs. */
interface ForwardBuffers {
  logits?: Float32Array | undefined;
  potentials?: Float32Array | undefined;
  spikeTimes?: Uint8Array[] | undefined;
  decisionSteps?: Uint8Array | undefined;
}

/** Runs `count` images through the network, `step` at a time, and adds the statistics up. */
async function forwardInPieces(
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
