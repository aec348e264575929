// The simulation of a network's ANN in another code, over any number of images: in pieces, each a native job.
import type {
  NativeNetwork,
  NativeSimulation,
  NativeSimulationCounts,
  NativeSimulationOutputs,
} from '../../native/network';
import { watched } from '../../native/watch';
import { checkNoCode } from '../code/code';
import type { ResolvedNetwork } from '../description';
import { layerShapes } from '../shapes';
import { allocate, imagesPerCall, pieces, type NetworkSizes } from './forward';
import { checkPixels } from './inputs';
import type { LayerOperations, OperationCounts } from './operations';
import { checkSimulation, type CheckedSimulation, type SimulatedCode } from './simulation-options';

/** The results of `network.simulate`. */
export interface SimulationResult {
  /** The code. */
  code: SimulatedCode;
  /** The number of time steps until the last prediction, over all layers. */
  steps: number;
  /** The steps, counted from 1, after which predictions were recorded. */
  recordedSteps: Int32Array;
  /** The class with the largest potential, per image and recorded step (N, R). */
  predictions: Int32Array;
  /** The logits (N, K) after the last step, on the scale of those of the ANN. */
  logits: Float32Array;
  /** The logits (N, K) after every step that was asked for, the last one included. */
  logitsAt: Map<number, Float32Array>;
  /** What the activations of every hidden layer were divided by. */
  activations: number[];
  /** The spikes per image, those of pixels included: a mean. */
  spikesPerImage: number;
  /** The operations per image and layer, as `countOperations` counts them: `energyAccount` turns them into energy. */
  operations: OperationCounts;
  /** The time of the simulation in seconds, without the measurement of activations. */
  seconds: number;
}

/** What a simulation needs to know of its network. */
interface Subject {
  readonly description: Readonly<ResolvedNetwork>;
  readonly seed: number;
  readonly threads: number;
}

/** Checks the arguments of `Network.simulate` and returns the job that they describe. */
export function simulateJob(
  subject: Subject,
  native: NativeNetwork,
  sizes: NetworkSizes,
  pixels: unknown,
  options: unknown,
): () => Promise<SimulationResult> {
  checkNoCode(subject.description);
  const simulation = checkSimulation(options, sizes, subject.seed);
  const images = checkPixels(pixels, 'pixels', sizes);
  const { steps, record, logitSteps } = simulation;
  const recorded = Math.ceil(steps / record);
  const out = allocate(() => ({
    predictions: new Int32Array(images.count * recorded),
    logits: new Float32Array(images.count * logitSteps.length * sizes.classes),
  }));
  return async () => {
    const activations = await activationsOf(native, images.pixels, simulation);
    const begin = performance.now();
    const counts = await runPieces(native, subject.threads, simulation, images, activations, out);
    const seconds = (performance.now() - begin) / 1000;
    const logitsAt = logitsByStep(out.logits, images.count, logitSteps, sizes.classes);
    return {
      code: simulation.code,
      steps,
      recordedSteps: Int32Array.from({ length: recorded }, (_, i) => Math.min(record * (i + 1), steps)),
      predictions: out.predictions,
      logits: logitsAt.get(steps)!,
      logitsAt,
      activations,
      spikesPerImage: (counts[0]!.events + counts.reduce((sum, { spikes }) => sum + spikes, 0)) / images.count,
      operations: operationsOf(subject.description, simulation, counts, images.count),
      seconds,
    };
  };
}

async function activationsOf(
  native: NativeNetwork,
  pixels: Uint8Array,
  { activations, calibration, percentile, signal }: CheckedSimulation,
): Promise<number[]> {
  if (activations !== undefined) return activations;
  const measured = await native.activations({ pixels: calibration ?? pixels }, percentile, signal);
  // A layer without any activation is left alone.
  return measured.map((value) => (value > 0 ? value : 1));
}

interface Images {
  pixels: Uint8Array;
  count: number;
}

interface Outputs {
  predictions: Int32Array;
  logits: Float32Array;
}

/** Runs all pieces and reports progress meanwhile. */
async function runPieces(
  native: NativeNetwork,
  threads: number,
  simulation: CheckedSimulation,
  images: Images,
  activations: number[],
  out: Outputs,
): Promise<NativeSimulationCounts[]> {
  const { steps } = simulation;
  const bytes = (images.pixels.length + out.predictions.byteLength + out.logits.byteLength) / images.count;
  return watched(native, { ...simulation, total: images.count * steps }, async (signal, passed) => {
    const sums: NativeSimulationCounts[] = [];
    for (const { start, end } of pieces(images.count, imagesPerCall(bytes))) {
      const counts = await native.simulate(...piece(threads, simulation, images, activations, out, start, end), signal);
      addCounts(sums, counts);
      passed(end * steps);
    }
    return sums;
  });
}

/** The arguments of the native job of images [start, end). */
function piece(
  threads: number,
  simulation: CheckedSimulation,
  { pixels, count }: Images,
  activations: number[],
  { predictions, logits }: Outputs,
  start: number,
  end: number,
): [{ pixels: Uint8Array }, NativeSimulation, NativeSimulationOutputs] {
  const rows = <T extends Uint8Array | Int32Array | Float32Array>(array: T): T => {
    const size = array.length / count;
    return array.subarray(start * size, end * size) as T;
  };
  const { code, timesteps, threshold, stride, timeConstants, delays, seed, first, record, logitSteps } = simulation;
  return [
    { pixels: rows(pixels) },
    {
      code,
      timesteps,
      threshold,
      stride,
      timeConstants,
      delays,
      activations,
      seed,
      threads,
      record,
      logitSteps,
      first: first + start,
    },
    { predictions: rows(predictions), logits: rows(logits) },
  ];
}

function addCounts(sums: NativeSimulationCounts[], more: readonly NativeSimulationCounts[]): void {
  more.forEach((counts, i) => {
    const sum = sums[i] ?? { events: 0, accumulates: 0, valueMacs: 0, updates: 0, spikes: 0 };
    sums[i] = sum;
    for (const key of Object.keys(sum) as (keyof NativeSimulationCounts)[]) sum[key] += counts[key];
  });
}

/** The logits (N, steps, K) as one array (N, K) for every step. */
function logitsByStep(
  logits: Float32Array,
  count: number,
  steps: number[],
  classes: number,
): Map<number, Float32Array> {
  return new Map(
    steps.map((step, i) => {
      const own = new Float32Array(count * classes);
      for (let n = 0; n < count; n++) {
        const from = (n * steps.length + i) * classes;
        own.set(logits.subarray(from, from + classes), n * classes);
      }
      return [step, own];
    }),
  );
}

function operationsOf(
  description: Readonly<ResolvedNetwork>,
  { code, timesteps }: CheckedSimulation,
  counts: readonly NativeSimulationCounts[],
  images: number,
): OperationCounts {
  const weighted = layerShapes(description).filter(({ type }) => type !== 'avgpool');
  const layers = weighted.map((shape, i): LayerOperations => {
    const { events, accumulates, valueMacs, updates, spikes } = counts[i]!;
    return {
      layer: shape.layer,
      type: shape.type as LayerOperations['type'],
      neurons: shape.neurons,
      annMacs: shape.macs,
      macs: i === 0 && code === 'direct' ? timesteps * shape.macs : 0,
      scheduleMacs: valueMacs / images,
      accumulates: accumulates / images,
      events: events / images,
      spikes: spikes / images,
      updates: updates / images,
    };
  });
  return { images, expectedInput: false, layers };
}
