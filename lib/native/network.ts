// One native network: its functions with OneSpikeError and AbortSignal.
import type {
  CommunicatorHandle,
  NativeAugment,
  NativeBatch,
  NativeDistillation,
  NativeLoss,
  NativeMode,
  NativeModule,
  NativeSimulation,
  NativeSimulationCounts,
  NativeSimulationOutputs,
  NativeOptimizer,
  NativeOutputs,
  NativeShards,
  NativeSpec,
  NativeStats,
  NativeTensorPart,
  NetworkHandle,
  TensorKind,
} from '../../binding';
import { OneSpikeError, toOneSpikeError } from '../errors';
import { call, native } from './addon';
import type { NativeDataset } from './dataset';

export type {
  CommunicatorHandle,
  NativeAugment,
  NativeMode,
  NativeOptimizer,
  NativeOutputs,
  NativeSimulation,
  NativeSimulationCounts,
  NativeSimulationOutputs,
  NativeSpec,
  NativeTensorPart,
  TensorKind,
} from '../../binding';

/** A batch as lib/model hands it over: checked, labels as Int32Array. */
export type CheckedBatch =
  | { pixels: Uint8Array; labels?: Int32Array | undefined }
  | {
      dataset: NativeDataset;
      indices: Uint32Array;
      augment?: NativeAugment | undefined;
      shards?: NativeShards | undefined;
    };

/** The results of one step: sums over its images, except `loss`, which is their mean. */
export interface StepStats {
  /** The mean loss over the images. */
  loss: number;
  /** The number of images whose prediction was correct. */
  correct: number;
  /** The number of images. */
  count: number;
  /** The number of neurons that fired, per hidden spiking layer, summed over the images. */
  spikes: Float64Array;
  /** The L2 norm of the gradient before clipping; 0 where no gradient was computed. */
  gradientNorm: number;
  /**
   * The first layer with a number that is not finite, whose parameters are then not updated; null if all are finite.
   */
  badLayer: number | null;
  /** The time of the step, in seconds; of several steps in one call, their mean. */
  seconds: number;
  /** The mean over the images of the step at which they were decided; with `earlyExit`. */
  meanDecisionStep?: number;
}

/** The wall time of one operation in one layer, added up over its calls. */
export interface ProfileEntry {
  /** The layer; null for work on the whole network. */
  layer: number | null;
  /** The name of the operation. */
  operation: string;
  /** The kernel that the last call chose, or ''. */
  kernel: string;
  /** The share of non-zero operands that it was chosen for, or 1. */
  density: number;
  /** The time of all calls, in milliseconds. */
  milliseconds: number;
  /** The number of calls. */
  calls: number;
}

/** Whether the steps of a network are replayed on its GPU as CUDA graphs. */
export interface Recorded {
  /** Whether they are; false as well before a step was repeated, on the CPU, and with the option `profile`. */
  recorded: boolean;
  /** The reason why they are not; empty if they are. */
  reason: string;
}

/** The counters of a network that continue across training steps. */
export interface Counters {
  /** The number of optimiser steps, which Adam's bias correction depends on. */
  optimizerSteps: number;
  /** The position of the random stream behind dropout and the rate encoder. */
  randomStep: number;
  /**
   * The running mean of the activity that an activity target compares with, from 0 to 1; 0 where none was asked for,
   * and where it is left out.
   */
  activity?: number | undefined;
}

/** The loss of a training step as lib/model hands it over. */
export interface CheckedLoss extends Omit<NativeLoss, 'distillation'> {
  distillation: (Omit<NativeDistillation, 'teacher'> & { teacher: NativeNetwork }) | null;
}

/** A training step, checked like its batch. */
export interface CheckedStep {
  batch: CheckedBatch;
  optimizer: NativeOptimizer;
}

function toNative(batch: CheckedBatch): NativeBatch {
  return 'dataset' in batch ? { ...batch, dataset: batch.dataset.handle } : batch;
}

/** Native code has -1 where there is no layer. */
function layerOrNull(layer: number): number | null {
  return layer < 0 ? null : layer;
}

function toStats(stats: NativeStats): StepStats {
  return { ...stats, badLayer: layerOrNull(stats.badLayer) };
}

function aborted(signal: AbortSignal): OneSpikeError {
  return new OneSpikeError('ERR_ABORTED', 'The job was aborted before it began', { cause: signal.reason });
}

/** The kinds of tensor that training keeps beside each parameter: momentum, or the moments of Adam, and the average. */
export const SLOTS = ['slot0', 'slot1', 'slot2', 'average'] as const satisfies readonly TensorKind[];

/** The native functions of one network, typed thinly; class Network of lib/model is what people use. */
export class NativeNetwork {
  private constructor(private readonly handle: NetworkHandle) {}

  static async create(spec: NativeSpec): Promise<NativeNetwork> {
    const module = native();
    try {
      return new NativeNetwork(await module.networkCreate(spec));
    } catch (error) {
      throw toOneSpikeError(error);
    }
  }

  tensors(): { name: string; shape: number[] }[] {
    return call((module) => module.networkTensors(this.handle));
  }

  layers(): { layer: number; neurons: number }[] {
    return call((module) => module.networkLayers(this.handle));
  }

  stepsAtOnce(): number {
    return call((module) => module.networkStepsAtOnce(this.handle));
  }

  memory(): number {
    return call((module) => module.networkMemory(this.handle));
  }

  recorded(): Recorded {
    return call((module) => module.networkRecorded(this.handle));
  }

  profile(): ProfileEntry[] {
    return call((module) => module.networkProfile(this.handle)).map((entry) => ({
      ...entry,
      layer: layerOrNull(entry.layer),
    }));
  }

  /** Those of `SLOTS` that have been used. The others read as zeros. */
  slots(): TensorKind[] {
    return call((module) => module.networkSlots(this.handle));
  }

  read(parts: NativeTensorPart[]): Promise<void> {
    return this.job(undefined, (module) => module.networkRead(this.handle, parts));
  }

  write(parts: NativeTensorPart[]): Promise<void> {
    return this.job(undefined, (module) => module.networkWrite(this.handle, parts));
  }

  counters(): Counters {
    return call((module) => module.networkCounters(this.handle));
  }

  setCounters(counters: Counters): void {
    call((module) => module.networkSetCounters(this.handle, { ...counters, activity: counters.activity ?? 0 }));
  }

  resetOptimizer(): Promise<void> {
    return this.job(undefined, (module) => module.networkResetOptimizer(this.handle));
  }

  /** The loss is NaN without labels. */
  async forward(batch: CheckedBatch, mode: NativeMode, out: NativeOutputs, signal?: AbortSignal): Promise<StepStats> {
    return toStats(await this.job(signal, (module) => module.networkForward(this.handle, toNative(batch), mode, out)));
  }

  async gradients(batch: CheckedBatch, mode: NativeMode, loss: CheckedLoss, signal?: AbortSignal): Promise<StepStats> {
    const given = this.loss(loss);
    return toStats(
      await this.job(signal, (module) => module.networkGradients(this.handle, toNative(batch), mode, given)),
    );
  }

  async train(
    steps: readonly CheckedStep[],
    next: CheckedBatch | null,
    mode: NativeMode,
    loss: CheckedLoss,
    { signal, communicator }: { signal?: AbortSignal | undefined; communicator?: CommunicatorHandle | undefined } = {},
  ): Promise<StepStats[]> {
    const given = this.loss(loss);
    const list = steps.map(({ batch, optimizer }) => ({ batch: toNative(batch), optimizer }));
    const results = await this.job(signal, (module) =>
      module.networkTrain(this.handle, list, next && toNative(next), mode, given, communicator ?? null),
    );
    return results.map(toStats);
  }

  activations(batch: CheckedBatch, percentile: number, signal?: AbortSignal): Promise<number[]> {
    return this.job(signal, (module) => module.networkActivations(this.handle, toNative(batch), percentile));
  }

  /** Sums over the images of the piece, per weighted layer. */
  simulate(
    batch: CheckedBatch,
    simulation: NativeSimulation,
    out: NativeSimulationOutputs,
    signal?: AbortSignal,
  ): Promise<NativeSimulationCounts[]> {
    return this.job(signal, (module) => module.networkSimulate(this.handle, toNative(batch), simulation, out));
  }

  /** Fits genes to the weights that were written as gradients; the share of their squares that is left. */
  fitGenes(steps: number, learningRate: number, signal?: AbortSignal): Promise<number> {
    return this.job(signal, (module) => module.networkFitGenes(this.handle, steps, learningRate));
  }

  /** The steps that the images of a running simulation have made so far, or a running fit of genes. */
  progress(): number {
    return call((module) => module.networkProgress(this.handle));
  }

  calibrate(batch: CheckedBatch, percentile: number, scale: number, signal?: AbortSignal): Promise<void> {
    return this.job(signal, (module) => module.networkCalibrate(this.handle, toNative(batch), percentile, scale));
  }

  dispose(): void {
    call((module) => module.networkDispose(this.handle));
  }

  private loss({ distillation, ...rest }: CheckedLoss): NativeLoss {
    return {
      ...rest,
      distillation: distillation && { ...distillation, teacher: distillation.teacher.handle },
    };
  }

  private async job<T>(signal: AbortSignal | undefined, start: (module: NativeModule) => Promise<T>): Promise<T> {
    const module = native();
    if (signal?.aborted) throw aborted(signal);
    const stop = (): void => {
      try {
        module.networkAbort(this.handle);
      } catch {
        // Disposed meanwhile, which has stopped the job already.
      }
    };
    try {
      // Before the job starts: a signal that throws here must not leave one behind that nobody waits for.
      signal?.addEventListener('abort', stop, { once: true });
      return await start(module);
    } catch (error) {
      throw toOneSpikeError(error, signal?.aborted ? { cause: signal.reason } : {});
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }
}
