// One native network: its functions with OneSpikeError and AbortSignal.
import type {
  NativeAugment,
  NativeBatch,
  NativeCounters,
  NativeMode,
  NativeModule,
  NativeOptimizer,
  NativeOutputs,
  NativeProfileEntry,
  NativeSpec,
  NativeStats,
  NativeTensorPart,
  NetworkHandle,
  TensorKind,
} from '../../binding';
import { OneSpikeError, toOneSpikeError } from '../errors';
import { call, native } from './addon';
import type { DeviceDataset } from './dataset';

export type {
  NativeAugment,
  NativeCounters,
  NativeMode,
  NativeOptimizer,
  NativeOutputs,
  NativeSpec,
  NativeStats,
  NativeTensorPart,
  TensorKind,
} from '../../binding';

/** A batch as lib/model hands it over: checked, labels as Int32Array. */
export type DeviceBatch =
  | { pixels: Uint8Array; labels?: Int32Array | undefined }
  | { dataset: DeviceDataset; indices: Uint32Array; augment?: NativeAugment | undefined };

/** A training step, checked like its batch. */
export interface DeviceStep {
  batch: DeviceBatch;
  optimizer: NativeOptimizer;
}

function toNative(batch: DeviceBatch): NativeBatch {
  return 'dataset' in batch ? { ...batch, dataset: batch.dataset.handle } : batch;
}

function aborted(signal: AbortSignal): OneSpikeError {
  return new OneSpikeError('ERR_ABORTED', 'The job was aborted before it began', { cause: signal.reason });
}

/** The kinds of tensor that an optimiser keeps beside each parameter: momentum, or the moments of Adam. */
export const SLOTS = ['slot0', 'slot1', 'slot2'] as const satisfies readonly TensorKind[];

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

  profile(): NativeProfileEntry[] {
    return call((module) => module.networkProfile(this.handle));
  }

  /** Slots of the optimiser that have been used: slot0 to slot<n - 1>. The others read as zeros. */
  slots(): number {
    return call((module) => module.networkSlots(this.handle));
  }

  read(parts: NativeTensorPart[]): Promise<void> {
    return this.job(undefined, (module) => module.networkRead(this.handle, parts));
  }

  write(parts: NativeTensorPart[]): Promise<void> {
    return this.job(undefined, (module) => module.networkWrite(this.handle, parts));
  }

  counters(): NativeCounters {
    return call((module) => module.networkCounters(this.handle));
  }

  setCounters(counters: NativeCounters): void {
    call((module) => module.networkSetCounters(this.handle, counters));
  }

  resetOptimizer(): Promise<void> {
    return this.job(undefined, (module) => module.networkResetOptimizer(this.handle));
  }

  forward(batch: DeviceBatch, mode: NativeMode, out: NativeOutputs, signal?: AbortSignal): Promise<NativeStats> {
    return this.job(signal, (module) => module.networkForward(this.handle, toNative(batch), mode, out));
  }

  gradients(batch: DeviceBatch, mode: NativeMode, signal?: AbortSignal): Promise<NativeStats> {
    return this.job(signal, (module) => module.networkGradients(this.handle, toNative(batch), mode));
  }

  train(
    steps: readonly DeviceStep[],
    next: DeviceBatch | null,
    mode: NativeMode,
    signal?: AbortSignal,
  ): Promise<NativeStats[]> {
    const list = steps.map(({ batch, optimizer }) => ({ batch: toNative(batch), optimizer }));
    return this.job(signal, (module) => module.networkTrain(this.handle, list, next && toNative(next), mode));
  }

  calibrate(batch: DeviceBatch, percentile: number, scale: number, signal?: AbortSignal): Promise<void> {
    return this.job(signal, (module) => module.networkCalibrate(this.handle, toNative(batch), percentile, scale));
  }

  dispose(): void {
    call((module) => module.networkDispose(this.handle));
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
