// Which processors there are, and which one a network will run on.
import { availableParallelism, cpus } from 'node:os';

import { nativePath } from '../../binding';
import { checkInteger, checkOneOf } from '../check';
import { OneSpikeError } from '../errors';
import { call } from './addon';
import { LIMITS } from './limits';

/** The name of a backend. */
export type BackendName = 'cpu' | 'cuda';
/** What a backend is chosen by: its name, or `auto` for the GPU if one is usable and the CPU if not. */
export type BackendChoice = 'auto' | BackendName;
export const BACKEND_CHOICES = ['auto', 'cpu', 'cuda'] as const satisfies readonly BackendChoice[];

let share: number | undefined;

/**
 * The compute threads of a network that names none: all that the processor runs at once, or the share of this process.
 */
export function defaultThreads(): number {
  return share ?? Math.min(availableParallelism(), LIMITS.threads.max);
}

/** Leaves this process a share of the processors of its host, which other processes use as well. */
export function shareThreads(threads: number): void {
  share = threads;
}

/** A GPU as its driver describes it. */
export interface DeviceInfo {
  /** The number of the GPU, as in the option `device`. */
  device: number;
  /** The name of the GPU. */
  name: string;
  /** The bytes of its memory. */
  memoryBytes: number;
  /** The bytes that were free when it was probed; null if it was not. */
  freeBytes: number | null;
  /** The compute capability, such as '9.0'. */
  computeCapability: string;
  /** The version of CUDA that the driver supports, such as '13.0'. */
  driver: string;
  /** The version of CUDA that this binary was built with, such as '13.0'. */
  runtime: string;
  /**
   * Whether a kernel ran on it. Devices after the first that is usable are not probed, which would take their memory.
   */
  usable: boolean;
  /** The reason why it is not usable; empty if it is, or was not probed. */
  reason: string;
  /** Whether a recorded kernel ran on it as a CUDA graph. Without graphs a network works, and its steps take longer. */
  graphs: boolean;
  /** The reason why none ran; empty if one did, or was not tried. */
  graphsReason: string;
}

/** What this installation and this machine offer. */
export interface BackendInfo {
  /** The version of onespike. */
  version: string;
  /** The backend that `auto` chooses on this machine. */
  backend: BackendName;
  /** The number of the GPU that it runs on; null on the CPU. */
  device: number | null;
  /** The processor that it runs on, as text. */
  processor: string;
  /** The instruction set that was chosen for the CPU kernels. */
  simdTarget: string;
  /** The number of threads that the processor runs at once. */
  hardwareThreads: number;
  /** Whether this binary holds CUDA kernels. */
  binaryCuda: boolean;
  /** The reason why they cannot be used; empty if they can. */
  cudaReason: string;
  /** The GPUs of this machine; empty without CUDA kernels or a driver. */
  devices: DeviceInfo[];
  /** The file that was loaded. */
  binaryPath: string;
}

/** 13000 -> '13.0' */
function cudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/** The GPUs, and why the wanted one, or every one, cannot be used. Takes memory of the device that it probes. */
function cudaDevices(wanted: number | null): { devices: DeviceInfo[]; reason: string } {
  const { list, reason } = call((module) => module.devices(wanted));
  const devices = list.map(
    (
      { name, major, minor, memoryBytes, freeBytes, driver, runtime, usable, reason: why, graphs, graphsReason },
      device,
    ) => ({
      device,
      name,
      memoryBytes,
      freeBytes: freeBytes < 0 ? null : freeBytes,
      computeCapability: `${major}.${minor}`,
      driver: cudaVersion(driver),
      runtime: cudaVersion(runtime),
      usable,
      reason: why,
      graphs,
      graphsReason,
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

/**
 * Describes this installation and this machine; it probes the GPUs until one is usable. Errors: ERR_NO_BACKEND when the
 * addon cannot be loaded.
 */
export function backendInfo(): BackendInfo {
  const { cpu, ...host } = hostInfo();
  const { devices, reason } = cudaDevices(null);
  const gpu = devices.find(({ usable }) => usable);
  return {
    ...host,
    backend: gpu === undefined ? 'cpu' : 'cuda',
    device: gpu?.device ?? null,
    processor: gpu === undefined ? `${cpu} (${host.simdTarget})` : processorName(gpu),
    cudaReason: reason,
    devices,
  };
}

/** The number of GPUs that the driver shows. Probes none. */
export function deviceCount(): number {
  // A number beyond all of them is probed in vain.
  return cudaDevices(LIMITS.device.max).devices.length;
}

/** Whether a GPU is usable. Takes memory of it. */
export function probeDevice(device: number): boolean {
  return cudaDevices(device).devices[device]?.usable ?? false;
}

function processorName(gpu: DeviceInfo): string {
  return `${gpu.name} (cuda:${gpu.device})`;
}

/** Where a network will run. */
export interface ChosenBackend {
  backend: BackendName;
  /** Number of the GPU; null on the CPU. */
  device: number | null;
  /** The processor, as text. */
  processor: string;
}

/**
 * The backend that will run: `auto` takes GPU `device`, or the first usable one, else the CPU. The CPU has no devices:
 * `device` says nothing there. Errors: ERR_ARG for another name or number, ERR_NO_BACKEND with the reason when the
 * wanted one cannot run here.
 */
export function resolveBackend(choice: unknown = 'auto', device?: unknown): ChosenBackend {
  const wanted = checkOneOf(choice, 'backend', BACKEND_CHOICES);
  const number = device === undefined ? null : checkInteger(device, 'device', LIMITS.device);
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
