// What the methods of Network take and give.
import type { BackendChoice } from '../native/devices';
import type { StepStats } from './forward';
import type { Batch, Mode, OptimizerOptions } from './network-inputs';
import type { SpikeTimes } from './spike-times';

export interface NetworkOptions {
  /** `auto` (the default) takes the GPU if it can be used, else the CPU. */
  backend?: BackendChoice | undefined;
  /** Number of the GPU; the first that is usable by default. The CPU has no devices. */
  device?: number | undefined;
  /** Of the initial weights, dropout and the rate encoder; 0 by default. */
  seed?: number | undefined;
  /** CPU threads; 0 (the default) for as many as the machine has. Results do not depend on it. */
  threads?: number | undefined;
  /**
   * `fp32`, or `mixed`: products that are computed densely take bf16 operands and accumulate in 32 bits; parameters, potentials and
   * everything else stay in 32 bits. Default: `mixed` on a GPU, `fp32` on the CPU.
   */
  precision?: Precision | undefined;
  /** Keep times per layer and operation for `network.profile()`. */
  profile?: boolean | undefined;
}

export type Precision = 'fp32' | 'mixed';

/** Wall time of one operation in one layer, added up over its calls. */
export interface ProfileEntry {
  /** Entry of the layer list, -1 for work on the whole network. */
  layer: number;
  operation: string;
  /** The variant of the kernel that the last call chose, or ''. */
  kernel: string;
  /** Share of non-zero operands that it was chosen for, or 1. */
  density: number;
  milliseconds: number;
  calls: number;
}

export interface JobOptions {
  /** `snn` (the default), or the same weights with ReLU in place of spiking neurons. */
  mode?: Mode | undefined;
  signal?: AbortSignal | undefined;
}

export interface EvaluateOptions extends JobOptions {
  /**
   * End an image at the first step at which an output neuron fires, or else at T; logits and prediction are those of that
   * step: the neuron that fires first, and of several that with the highest potential (for alpha > 0 and beta >= 0). May differ
   * from the answer after all T steps; costs less where most images are decided early. False by default; mode `snn` only.
   */
  earlyExit?: boolean | undefined;
}

export interface ForwardOptions extends EvaluateOptions {
  /** Return the spike times of every spiking layer. Not together with `earlyExit`. */
  trace?: boolean | undefined;
  /** Return the potentials (N, T, K) of the output layer after each step. Not together with `earlyExit`. */
  potentials?: boolean | undefined;
}

export interface ForwardResult {
  /** (N, K) */
  logits: Float32Array;
  /** (N): position of the largest logit. */
  predictions: Int32Array;
  /** (N), with `earlyExit`: the step, 1..T, at which the image was decided. */
  decisionSteps?: Uint8Array;
  spikeTimes?: SpikeTimes;
  /** (N, T, K); `network.anytime(potentials)` gives the predictions after each step. */
  potentials?: Float32Array;
  stats: StepStats;
}

export interface GradientsResult {
  /** Mean over the images. */
  loss: number;
  gradients: Map<string, Float32Array>;
  stats: StepStats;
}

export interface TrainStepOptions extends JobOptions {
  optimizer: OptimizerOptions;
  /** Rows of a data set to prepare in the background: the batch of the next step. */
  next?: Batch | undefined;
}

/** One step of several. */
export interface TrainStep {
  batch: Batch;
  optimizer: OptimizerOptions;
}

export interface TrainStepsOptions extends JobOptions {
  /** Rows of a data set to prepare in the background: the first batch of the next call. */
  next?: Batch | undefined;
}

export interface CalibrateOptions {
  /** 99.7 by default. */
  percentile?: number | undefined;
  /** Factor on the percentile; 1 by default. */
  scale?: number | undefined;
  signal?: AbortSignal | undefined;
}
