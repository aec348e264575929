// The way to the native addon: loads it on first use, chooses the backend, and gives the native functions the manners
// of the rest of the library (OneSpikeError, AbortSignal, dispose).
import { cpus } from 'node:os';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import {
  loadNative,
  nativePath,
  packageRoot,
  type DatasetHandle,
  type NativeAugment,
  type NativeBackend,
  type NativeBatch,
  type NativeCounters,
  type NativeMode,
  type NativeModule,
  type NativeOptimizer,
  type NativeOutputs,
  type NativeProfileEntry,
  type NativeSpec,
  type NativeStats,
  type NetworkHandle,
  type TensorKind,
} from '../binding';
import { checkInteger, checkOneOf, checkTypedArray, expected } from './check';
import { OneSpikeError, toOneSpikeError } from './errors';

export type {
  NativeAugment,
  NativeCounters,
  NativeMode,
  NativeOptimizer,
  NativeOutputs,
  NativeSpec,
  NativeStats,
  TensorKind,
} from '../binding';

export type BackendName = NativeBackend;
export type BackendChoice = 'auto' | BackendName;
export const BACKEND_CHOICES = ['auto', 'cpu', 'cuda'] as const satisfies readonly BackendChoice[];
/** Largest number of a device that is not a mistake. */
export const MAX_DEVICE = 1023;

/** A GPU as its driver shows it. */
export interface DeviceInfo {
  /** Its number, as the option `device` takes it. */
  device: number;
  name: string;
  memoryBytes: number;
  /** When it was probed; null if it was not. */
  freeBytes: number | null;
  /** '9.0' */
  computeCapability: string;
  /** CUDA version that the driver knows, and that this binary was built with: '13.0'. */
  driver: string;
  runtime: string;
  /** A kernel ran on it. Devices after the first that is usable are not probed: that would take their memory. */
  usable: boolean;
  /** Why it is not usable; empty if it is, or was not probed. */
  reason: string;
}

export interface BackendInfo {
  version: string;
  /** What `auto` chooses on this machine. */
  backend: BackendName;
  /** The processor that `backend` runs on, for people to read. */
  device: string;
  /** The instruction set that was chosen for the CPU kernels. */
  simdTarget: string;
  hardwareThreads: number;
  /** This binary holds CUDA kernels. */
  binaryCuda: boolean;
  /** Why they cannot be used; empty if they can. */
  cudaReason: string;
  /** The GPUs of this machine; empty without CUDA kernels or a driver. */
  devices: DeviceInfo[];
  /** The file that was loaded. */
  binaryPath: string;
}

// ---- the addon

let loaded: NativeModule | undefined;

function native(): NativeModule {
  if (loaded !== undefined) return loaded;
  try {
    loaded = loadNative();
    return loaded;
  } catch (error) {
    throw loadFailure(packageRoot(), error);
  }
}

/** Why the addon did not load: target, paths tried, cause, what to do. */
export function loadFailure(root: string, cause: unknown): OneSpikeError {
  const platform = `${process.platform}-${process.arch}`;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const libc =
    process.platform !== 'linux'
      ? ''
      : report.header?.glibcVersionRuntime
        ? ` glibc ${report.header.glibcVersionRuntime}`
        : ' musl';
  const built = join(root, 'build', 'Release');
  const prebuilt = join(root, 'prebuilds', platform);
  const content = (folder: string): string =>
    existsSync(folder) ? readdirSync(folder).join(', ') || 'empty' : 'no such folder';
  const fix = existsSync(join(root, 'CMakeLists.txt'))
    ? 'npm run build:native'
    : 'reinstall the package; if it has no binary for this platform, build it from a checkout of its repository with npm run build:native';
  const lines = [
    `Cannot load the native addon of onespike for ${platform}${libc}, Node ${process.versions.node}.`,
    `Tried: ${built} (${content(built)})`,
    `       ${prebuilt} (${content(prebuilt)})`,
    `Cause: ${cause instanceof Error ? cause.message : String(cause)}`,
    `Fix:   ${fix}`,
  ];
  return new OneSpikeError('ERR_NO_BACKEND', lines.join('\n'), { cause });
}

/** Calls a native function that answers at once. */
function call<T>(action: (module: NativeModule) => T): T {
  const module = native();
  try {
    return action(module);
  } catch (error) {
    throw toOneSpikeError(error);
  }
}

// ---- backends

/** 13000 -> '13.0' */
function cudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/** The GPUs, and why the wanted one, or every one, cannot be used. Takes memory of the device that it probes. */
function cudaDevices(wanted: number | null): { devices: DeviceInfo[]; reason: string } {
  const { list, reason } = call((module) => module.devices(wanted));
  const devices = list.map(
    ({ name, major, minor, memoryBytes, freeBytes, driver, runtime, usable, reason: why }, device) => ({
      device,
      name,
      memoryBytes,
      freeBytes: freeBytes < 0 ? null : freeBytes,
      computeCapability: `${major}.${minor}`,
      driver: cudaVersion(driver),
      runtime: cudaVersion(runtime),
      usable,
      reason: why,
    }),
  );
  return { devices, reason };
}

/** Version and processor of this installation. Asks no GPU. Errors: ERR_NO_BACKEND when the addon cannot be loaded. */
export function hostInfo(): Pick<
  BackendInfo,
  'version' | 'simdTarget' | 'hardwareThreads' | 'binaryCuda' | 'binaryPath'
> & { cpu: string } {
  const { version, simdTarget, hardwareThreads, binaryCuda } = call((module) => module.info());
  return {
    version,
    simdTarget,
    hardwareThreads,
    binaryCuda,
    binaryPath: nativePath(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
  };
}

/** What this machine offers. Probes the GPUs until one is usable. Errors: ERR_NO_BACKEND when the addon cannot be loaded. */
export function backendInfo(): BackendInfo {
  const { cpu, ...host } = hostInfo();
  const { devices, reason } = cudaDevices(null);
  const gpu = devices.find(({ usable }) => usable);
  return {
    ...host,
    backend: gpu === undefined ? 'cpu' : 'cuda',
    device: gpu === undefined ? `${cpu} (${host.simdTarget})` : processorName(gpu),
    cudaReason: reason,
    devices,
  };
}

function processorName(gpu: DeviceInfo): string {
  return `${gpu.name} (cuda:${gpu.device})`;
}

/** Where a network will run. */
export interface ChosenBackend {
  backend: BackendName;
  /** Number of the GPU; null on the CPU. */
  device: number | null;
  /** The processor, for people to read. */
  processor: string;
}

/**
 * The backend that will run: `auto` takes GPU `device`, or the first usable one, else the CPU. The CPU has no devices: `device` says
 * nothing there. Errors: ERR_ARG for another name or number, ERR_NO_BACKEND with the reason when the wanted one cannot run here.
 */
export function resolveBackend(choice: unknown = 'auto', device?: unknown): ChosenBackend {
  const wanted = checkOneOf(choice, 'backend', BACKEND_CHOICES);
  const number = device === undefined ? null : checkInteger(device, 'device', { min: 0, max: MAX_DEVICE });
  if (wanted !== 'cpu') {
    const { devices, reason } = cudaDevices(number);
    const gpu = number === null ? devices.find(({ usable }) => usable) : devices[number];
    if (gpu?.usable) return { backend: 'cuda', device: gpu.device, processor: processorName(gpu) };
    if (wanted === 'cuda')
      throw new OneSpikeError(
        'ERR_NO_BACKEND',
        `Expected a usable CUDA device for backend 'cuda' but received none: ${reason}`,
      );
  }
  const { cpu, simdTarget } = hostInfo();
  return { backend: 'cpu', device: null, processor: `${cpu} (${simdTarget})` };
}

/** Live handles of this thread, for tests of the memory that they hold. */
export function liveHandles(): { networks: number; datasets: number } {
  const { liveNetworks, liveDatasets } = call((module) => module.info());
  return { networks: liveNetworks, datasets: liveDatasets };
}

// ---- data sets

/** Images in native memory, so that a batch crosses the boundary as row numbers. Disposing is optional but prompt. */
export class DeviceDataset {
  /** @internal */
  readonly handle: DatasetHandle;
  readonly shape: readonly [number, number, number];
  readonly count: number;
  readonly labelled: boolean;

  /** @internal Use `createDataset`. */
  constructor(pixels: Uint8Array, labels: Int32Array | null, shape: readonly [number, number, number]) {
    if (!Array.isArray(shape) || shape.length !== 3) throw expected('[channels, height, width]', 'shape', shape);
    checkTypedArray(pixels, 'pixels', 'Uint8Array');
    if (labels !== null) checkTypedArray(labels, 'labels', 'Int32Array');
    this.handle = call((module) => module.datasetCreate(pixels, labels, [shape[0], shape[1], shape[2]]));
    this.shape = Object.freeze([shape[0], shape[1], shape[2]] as const);
    this.count = pixels.length / (shape[0] * shape[1] * shape[2]);
    this.labelled = labels !== null;
  }

  /** Frees the images once no running job needs them. Idempotent. */
  dispose(): void {
    call((module) => module.datasetDispose(this.handle));
  }
}

/**
 * Copies images (N, C, H, W) and labels (N, or null) of `shape` [C, H, W] into native memory.
 * Errors: ERR_ARG, ERR_SHAPE, ERR_OOM, ERR_NO_BACKEND.
 */
export function createDataset(
  pixels: Uint8Array,
  labels: Int32Array | null,
  shape: readonly [number, number, number],
): DeviceDataset {
  return new DeviceDataset(pixels, labels, shape);
}

// ---- networks

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

/** The native functions of one network, typed thinly; class Network of lib/model is what people use. */
export class NativeNetwork {
  private readonly handle: NetworkHandle;

  constructor(spec: NativeSpec) {
    this.handle = call((module) => module.networkCreate(spec));
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

  read(kind: TensorKind, name: string, into: Float32Array): void {
    call((module) => module.networkRead(this.handle, kind, name, into));
  }

  write(kind: TensorKind, name: string, from: Float32Array): void {
    call((module) => module.networkWrite(this.handle, kind, name, from));
  }

  counters(): NativeCounters {
    return call((module) => module.networkCounters(this.handle));
  }

  setCounters(counters: NativeCounters): void {
    call((module) => module.networkSetCounters(this.handle, counters));
  }

  resetOptimizer(): void {
    call((module) => module.networkResetOptimizer(this.handle));
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
