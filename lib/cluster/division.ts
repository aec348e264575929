// Processors divided among the processes of a sweep.
import { backendInfo, type BackendInfo } from '../native/devices';

/** What one process of a sweep may use. */
export interface Share {
  threads: number;
  /** The number of its GPU; null on the CPU. */
  device: number | null;
}

export interface Division {
  /** The number of trials to run. */
  trials: number;
  /** The most processes at a time; by default one for every GPU, or for every thread. */
  maxParallel?: number | undefined;
  /** All threads together; by default as many as the processor runs at once. */
  threads?: number | undefined;
  backend: string;
}

/** The share of every process: threads are divided evenly, and GPUs are dealt out in turn. */
export function divide(
  { trials, maxParallel, threads, backend }: Division,
  info: Pick<BackendInfo, 'devices' | 'device' | 'hardwareThreads'> = backendInfo(),
): Share[] {
  const gpus = backend === 'cpu' || info.device === null ? [] : gpusOf(info);
  const all = threads ?? info.hardwareThreads;
  const most = maxParallel ?? (gpus.length > 0 ? gpus.length : all);
  const processes = Math.max(1, Math.min(most, trials));
  return Array.from({ length: processes }, (_, i) => ({
    threads: Math.max(1, Math.floor(all / processes) + (i < all % processes ? 1 : 0)),
    device: gpus.length === 0 ? null : gpus[i % gpus.length]!,
  }));
}

/** GPUs after the first that is usable are not probed: they count unless something speaks against them. */
function gpusOf({ devices, device }: Pick<BackendInfo, 'devices' | 'device'>): number[] {
  return devices.filter((gpu) => gpu.device === device || gpu.usable || gpu.reason === '').map((gpu) => gpu.device);
}
