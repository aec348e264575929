// Forward passes over any number of images: in pieces, so that neither the buffers of native code nor the copy of the
// results on the JS thread grow with the batch.
import { checkBoolean, checkInteger } from '../../check';
import { OneSpikeError } from '../../errors';
import type { CheckedBatch, NativeNetwork, NativeOutputs, StepStats } from '../../native/network';
import { argmax } from '../anytime';
import type { ResolvedNetwork } from '../description';
import { layerName, type SpikingLayer } from '../layer';
import { checkBatch, checkEarlyExit, checkJob, checkPixels, type BatchShape, type Mode } from './inputs';
import type { ForwardResult, PieceStats } from './options';
import { SpikeTimes } from '../spike-times';
import { StepSums } from './step-sums';

/** Sizes of a network that decide how large its results are. */
export interface NetworkSizes extends BatchShape {
  timesteps: number;
  /** Whether the network has a code, and so neither time steps nor spike times. */
  coded: boolean;
  layers: readonly SpikingLayer[];
}

/** The sizes of a network, with its spiking layers. */
export function sizesOf(network: ResolvedNetwork, layers: readonly SpikingLayer[]): NetworkSizes {
  const { input, timesteps, code } = network;
  return { input, classes: network.layers.at(-1)!.out, timesteps, coded: code !== undefined, layers };
}

/** Checks the arguments of `Network.forward` and returns the job that they describe. */
export function forwardJob(
  native: NativeNetwork,
  sizes: NetworkSizes,
  pixels: unknown,
  options: unknown,
): () => Promise<ForwardResult> {
  const { mode, signal, given } = checkJob(options, [
    'mode',
    'signal',
    'trace',
    'margins',
    'potentials',
    'earlyExit',
    'averaged',
  ]);
  const averaged = checkBoolean(given['averaged'] ?? false, 'averaged');
  const trace = checkBoolean(given['trace'] ?? false, 'trace');
  const margins = checkBoolean(given['margins'] ?? trace, 'margins');
  const traced = checkBoolean(given['potentials'] ?? false, 'potentials');
  if (mode !== 'snn' && (trace || traced))
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected mode 'snn' for trace and potentials but received '${mode}', which has no time`,
    );
  const earlyExit = checkEarlyExit(given, mode, sizes);
  if (traced && sizes.coded)
    throw new OneSpikeError('ERR_ARG', 'Expected no potentials but received true: a network with a code has no steps');
  if (earlyExit && (trace || traced))
    throw new OneSpikeError(
      'ERR_ARG',
      'Expected earlyExit without trace and potentials but received both: steps after the decision are not computed',
    );
  const batch = checkPixels(pixels, 'pixels', sizes);
  const { count } = batch;
  const { classes, timesteps, coded, layers } = sizes;
  const out = allocate(() => ({
    averaged,
    logits: new Float32Array(count * classes),
    predictions: new Int32Array(count),
    probabilities: new Float64Array(count * classes),
    decisionSteps: earlyExit ? new Uint8Array(count) : undefined,
    potentials: traced ? new Float32Array(count * timesteps * classes) : undefined,
    margins: trace && margins && !coded ? new Float32Array(count) : undefined,
    // The output layer of a network with a code sends nothing.
    spikeTimes: trace
      ? layers.map(({ neurons }, i) => (coded && i === layers.length - 1 ? null : new Uint8Array(count * neurons)))
      : undefined,
  }));
  const bytes =
    imageBytes(sizes) +
    4 * classes * (traced ? timesteps + 1 : 1) +
    (trace ? layers.reduce((sum, { neurons }) => sum + neurons, 0) : 0);
  const { logits, predictions, probabilities } = out;
  return async () => {
    const images = { pixels: batch.pixels };
    const sums = new StepSums();
    for (const piece of pieces(count, imagesPerCall(bytes))) {
      sums.add(await pass(native, images, piece, count, mode, out, signal));
      for (let n = piece.start; n < piece.end; n++) {
        predictions[n] = argmax(logits, n * classes, classes);
        softmax(logits, probabilities, n * classes, classes);
      }
    }
    const stats = { ...sums.mean(), loss: null };
    const result: ForwardResult = { logits, predictions, probabilities, stats };
    if (out.decisionSteps) result.decisionSteps = out.decisionSteps;
    if (out.potentials) result.potentials = out.potentials;
    if (out.margins) result.margins = out.margins;
    if (out.spikeTimes) {
      const bytes = new SpikeTimes(
        out.spikeTimes.flatMap((times, i) => (times === null ? [] : [[layerName(layers[i]!.layer), times]])),
      );
      result.spikeTimes = coded ? new SpikeTimes() : bytes;
      if (coded) result.codes = bytes;
    }
    return result;
  };
}

/** An evaluation, cut into pieces of which each is a job of its own. */
export interface EvaluationPlan {
  readonly pieces: readonly Piece[];
  run(piece: Piece): Promise<PieceStats>;
}

/** Checks the arguments of `Network.evaluate` and its twin in pieces. */
export function planEvaluation(
  native: NativeNetwork,
  sizes: NetworkSizes,
  batch: unknown,
  options: unknown,
  allowed: readonly string[] = [],
): EvaluationPlan {
  const { mode, signal, given } = checkJob(options, ['mode', 'signal', 'earlyExit', 'averaged', ...allowed]);
  const earlyExit = checkEarlyExit(given, mode, sizes);
  const most = given['piece'] === undefined ? Infinity : checkInteger(given['piece'], 'piece', { min: 1 });
  const { batch: checked, count } = checkBatch(batch, 'batch', sizes, true);
  // Augmentation is a function of the position in the batch, so an augmented one stays whole.
  const whole = 'dataset' in checked && checked.augment !== undefined;
  const size = whole ? count : evaluatedAtOnce(sizes.input, most);
  const averaged = checkBoolean(given['averaged'] ?? false, 'averaged');
  const wanted = checkBoolean(given['logits'] ?? false, 'logits');
  const out = { averaged, decisionSteps: earlyExit ? new Uint8Array(count) : undefined };
  return {
    pieces: pieces(count, size),
    run: async (piece) => {
      if (!wanted) return pass(native, checked, piece, count, mode, out, signal);
      const logits = allocate(() => new Float32Array((piece.end - piece.start) * sizes.classes));
      return { ...(await pass(native, checked, piece, count, mode, { ...out, pieceLogits: logits }, signal)), logits };
    },
  };
}

/** Runs all pieces of an evaluation as one job. */
export async function evaluateAll({ pieces, run }: EvaluationPlan): Promise<StepStats> {
  const sums = new StepSums();
  for (const piece of pieces) sums.add(await run(piece));
  return sums.mean();
}

/** Runs the pieces of an evaluation one after the other, each by `job`, and yields the results so far after each. */
export async function* evaluatePieces(
  { pieces, run }: EvaluationPlan,
  job: (work: () => Promise<PieceStats>) => Promise<PieceStats>,
): AsyncGenerator<PieceStats, void> {
  const sums = new StepSums();
  for (const piece of pieces) {
    const stats = await job(() => run(piece));
    yield { ...sums.add(stats).mean(), ...(stats.logits === undefined ? {} : { logits: stats.logits }) };
  }
}

/** Writes the softmax of one image's logits, shifted by the largest so that nothing overflows. */
function softmax(logits: Float32Array, into: Float64Array, start: number, classes: number): void {
  const largest = logits[start + argmax(logits, start, classes)]!;
  let sum = 0;
  for (let k = start; k < start + classes; k++) sum += Math.exp(logits[k]! - largest);
  for (let k = start; k < start + classes; k++) into[k] = Math.exp(logits[k]! - largest) / sum;
}

/** The images of one piece of an evaluation in pieces of at most `most`. */
export function evaluatedAtOnce(input: BatchShape['input'], most: number): number {
  return Math.min(most, imagesPerCall(imageBytes({ input })));
}

function imageBytes({ input }: Pick<BatchShape, 'input'>): number {
  return input[0] * input[1] * input[2];
}

/** Allocation that reports the lack of memory by its code. */
export function allocate<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', 'Expected memory for the results of this many images but received none', {
      cause,
    });
  }
}

// Bytes that one call copies on the JS thread: about 4 ms of memcpy, so that the event loop stays responsive.
const MAX_BYTES = 16 * 2 ** 20;
// More images per call gain nothing: the kernels are saturated far below.
const MAX_IMAGES = 512;

/** Images per call when each moves `bytes` bytes across the boundary. */
export function imagesPerCall(bytes: number): number {
  return Math.max(1, Math.min(MAX_IMAGES, Math.floor(MAX_BYTES / bytes)));
}

/** What all images are computed with, and where their results go; sizes per image as in NativeOutputs. */
interface ForwardBuffers {
  averaged: boolean;
  logits?: Float32Array | undefined;
  /** Those of the piece alone. */
  pieceLogits?: Float32Array | undefined;
  potentials?: Float32Array | undefined;
  margins?: Float32Array | undefined;
  spikeTimes?: (Uint8Array | null)[] | undefined;
  decisionSteps?: Uint8Array | undefined;
}

/** Images [start, end) of a batch. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

export function pieces(count: number, size: number): Piece[] {
  const list: Piece[] = [];
  for (let start = 0; start < count; start += size) list.push({ start, end: Math.min(count, start + size) });
  return list;
}

/** Runs one piece of a batch of `count` images through the network. */
async function pass(
  network: NativeNetwork,
  batch: CheckedBatch,
  { start, end }: Piece,
  count: number,
  mode: Mode,
  out: ForwardBuffers,
  signal?: AbortSignal,
): Promise<StepStats> {
  const part = end - start === count ? batch : piece(batch, start, end, count);
  const stats = await network.forward(part, mode, outputs(out, start, end, count), signal);
  const decided = out.decisionSteps?.subarray(start, end);
  if (decided === undefined) return stats;
  return { ...stats, meanDecisionStep: decided.reduce((sum, step) => sum + step, 0) / decided.length };
}

function piece(batch: CheckedBatch, start: number, end: number, count: number): CheckedBatch {
  if ('dataset' in batch) return { dataset: batch.dataset, indices: batch.indices.subarray(start, end) };
  return { pixels: rows(batch.pixels, start, end, count), labels: batch.labels?.subarray(start, end) };
}

function outputs(out: ForwardBuffers, start: number, end: number, count: number): NativeOutputs {
  return {
    averaged: out.averaged,
    logits: out.pieceLogits ?? (out.logits && rows(out.logits, start, end, count)),
    potentials: out.potentials && rows(out.potentials, start, end, count),
    margins: out.margins && rows(out.margins, start, end, count),
    decisionSteps: out.decisionSteps && rows(out.decisionSteps, start, end, count),
    spikeTimes: out.spikeTimes?.map((times) => times && rows(times, start, end, count)),
  };
}

function rows<T extends Uint8Array | Float32Array>(array: T, start: number, end: number, count: number): T {
  const size = array.length / count;
  return array.subarray(start * size, end * size) as T;
}
