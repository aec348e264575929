// What the methods of Network take and give.
import type { BackendChoice } from '../../native/devices';
import type { CommunicatorHandle, StepStats } from '../../native/network';
import type { Batch, Mode } from './inputs';
import type { LossOptions } from './loss';
import type { OptimizerOptions } from './optimizer';
import type { FloatTensor } from '../parameters';
import type { SpikeTimes } from '../spike-times';

export type { CommunicatorHandle, Counters, ProfileEntry, Recorded, StepStats } from '../../native/network';
export type { Augment, AugmentOptions } from './augment';
export type { Batch, BatchShards, Labels, Mode } from './inputs';
export type { ActivityTarget, DistillationOptions, LossOptions } from './loss';
export type { OptimizerOptions } from './optimizer';
export type { JobProgress } from '../../native/watch';
export type { SimulationResult } from './simulation';
export type { SimulatedCode, SimulateOptions, SimulationProgress } from './simulation-options';
export type { OptimizerState } from './state';

/** Options of `Network.create` and `Network.open`. */
export interface NetworkOptions {
  /** The backend; `auto` (the default) chooses a GPU if one can be used, else the CPU. */
  backend?: BackendChoice | undefined;
  /** The number of the GPU; by default the first that can be used. The CPU has no devices. */
  device?: number | undefined;
  /** The seed of the initial weights, of dropout and of the rate encoder; 0 by default. */
  seed?: number | undefined;
  /** The number of CPU threads; 0 (the default) for as many as the machine has. Results do not depend on it. */
  threads?: number | undefined;
  /**
   * The precision: `fp32`, or `mixed`, in which products that are computed densely have bf16 operands and accumulate in
   * 32 bits; parameters, potentials and everything else stay in 32 bits. By default `mixed` on a GPU, `fp32` on the
   * CPU.
   */
  precision?: Precision | undefined;
  /** Whether the network measures times per layer and operation for `network.profile()`; false by default. */
  profile?: boolean | undefined;
}

/** The arithmetic of a network: 32-bit floats throughout, or bf16 operands in dense products. */
export type Precision = 'fp32' | 'mixed';

/** Options of every method that computes. */
export interface JobOptions {
  /**
   * The mode: `snn` (the default), `ann`, the same weights with ReLU in place of spiking neurons, or `binary`, the ANN
   * whose hidden neurons send twice their threshold where their input is above it, and nothing elsewhere.
   */
  mode?: Mode | undefined;
  /** The signal that stops the job, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Options of `network.evaluate`. */
export interface EvaluateOptions extends JobOptions {
  /**
   * Whether an image ends at the first step at which an output neuron fires, or else at T. Logits and prediction are
   * those of that step: the neuron that fires first, and of several the one with the highest potential (for alpha > 0
   * and beta >= 0). The answer may differ from the one after all T steps; it costs less where most images are decided
   * early. False by default; for mode `snn` only.
   */
  earlyExit?: boolean | undefined;
  /**
   * Whether the network computes with the average of its parameters (`ema` of the optimiser) in their place; false by
   * default. ERR_STATE if no training step has taken an average.
   */
  averaged?: boolean | undefined;
}

/** Options of `network.save` and `network.anytime`. */
export interface ParametersOptions {
  /** Whether the average of the parameters is taken in their place, as in `EvaluateOptions`; false by default. */
  averaged?: boolean | undefined;
}

/** Options of `network.parameters`. */
export interface ReadParametersOptions extends ParametersOptions {
  /** The names of the tensors to be read; all by default. */
  names?: readonly string[] | undefined;
}

/** Options of `network.evaluateInPieces`. */
export interface EvaluateInPiecesOptions extends EvaluateOptions {
  /** The largest number of images of a piece; up to 512 by default, depending on the size of an image. */
  piece?: number | undefined;
  /** Whether each result also holds the logits of its piece. */
  logits?: boolean | undefined;
}

/** The results of `network.evaluateInPieces` so far. */
export interface PieceStats extends StepStats {
  /** The logits (n, K) of the last n images, those of the piece that has just been done; with `logits`. */
  logits?: Float32Array;
}

/** Options of `network.forward`. */
export interface ForwardOptions extends EvaluateOptions {
  /** Whether the result holds the spike times of every spiking layer; not together with `earlyExit`. */
  trace?: boolean | undefined;
  /**
   * Whether a trace holds margins as well; true by default. Without them a pass keeps no potentials of hidden neurons,
   * which takes less memory and time.
   */
  margins?: boolean | undefined;
  /** Whether the result holds the potentials (N, T, K) of the output layer; not together with `earlyExit`. */
  potentials?: boolean | undefined;
}

/** The results of `network.forward`. */
export interface ForwardResult {
  /** The logits (N, K). */
  logits: Float32Array;
  /** The class with the largest logit, per image (N). */
  predictions: Int32Array;
  /** The softmax of the logits (N, K). */
  probabilities: Float64Array;
  /** The step, 1..T, at which each image was decided (N); with `earlyExit`. */
  decisionSteps?: Uint8Array;
  /** The spike times of every spiking layer; with `trace`. Empty for a network with a code. */
  spikeTimes?: SpikeTimes;
  /**
   * How near each image came to a tie (N); with `trace`, unless the network has a code: the smallest |U(t)/V - 1| of
   * its hidden neurons, over the steps up to their spikes (docs/MATHEMATICS.md, "The neuron"). Two programs that round
   * in another order may decide differently where it is below about 1e-5.
   */
  margins?: Float32Array;
  /**
   * What the neurons of every hidden layer send; with `trace`, for a network with a code. One byte per neuron: of
   * `ttfs` and `one-spike-phase` the step of its spike in the window of its layer, counted from 1, and 0 for none; of
   * `radix` the integer.
   */
  codes?: SpikeTimes;
  /**
   * The potentials (N, T, K) of the output layer; with `potentials`. `network.anytime(potentials)` gives the
   * predictions after each step.
   */
  potentials?: Float32Array;
  /** Counts and times of the pass. */
  stats: ForwardStats;
}

/** The counts and times of a pass without labels, which has no loss. */
export interface ForwardStats extends Omit<StepStats, 'loss'> {
  /** Always null. */
  loss: null;
}

/** The results of `network.gradients`. */
export interface GradientsResult {
  /** The mean loss over the images. */
  loss: number;
  /** The gradient of every parameter by its name, in the layout of `network.parameters()`. */
  gradients: Map<string, Float32Array>;
  /** Counts and times of the pass. */
  stats: StepStats;
}

/** Options of `network.gradients`. */
export interface GradientsOptions extends JobOptions, LossOptions {}

/** Options of `network.trainStep`. */
export interface TrainStepOptions extends JobOptions, LossOptions {
  /** The optimiser of the step. */
  optimizer: OptimizerOptions;
  /** The batch of the next step, as rows of a data set, which is prepared in the background. */
  next?: Batch | undefined;
}

/** One step of `network.trainSteps`. */
export interface TrainStep {
  /** The labelled images. */
  batch: Batch;
  /** The optimiser of the step. */
  optimizer: OptimizerOptions;
}

/** Options of `network.trainSteps`. */
export interface TrainStepsOptions extends JobOptions, LossOptions {
  /** The first batch of the next call, as rows of a data set, which is prepared in the background. */
  next?: Batch | undefined;
  /**
   * The connection between the ranks that share the steps: each gives the batches of its own shards, and all make the
   * same calls. None by default.
   */
  communicator?: CommunicatorHandle | undefined;
}

/** Options of `network.rescaleActivations`. */
export interface RescaleOptions {
  /** The percentile of the activations that becomes 1, from 0 to 100; 99.9 by default. */
  percentile?: number | undefined;
  /** The signal that stops the job, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** Tensors by name, such as `parameters()` returns, or their numbers alone. */
export type GivenTensors = ReadonlyMap<string, Float32Array | FloatTensor> | Record<string, Float32Array | FloatTensor>;

/** Options of `network.calibrate`. */
export interface CalibrateOptions {
  /** The percentile of the weighted input, from 0 to 100; 99.7 by default. */
  percentile?: number | undefined;
  /** The factor on the percentile; 1 by default. */
  scale?: number | undefined;
  /** The signal that stops the job, which then rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}
