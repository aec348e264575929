// Images in native memory.
import type { DatasetHandle } from '../../binding';
import { checkTypedArray, expected } from '../check';
import { call } from './addon';

/** Images in native memory, so that a batch crosses the boundary as row numbers. Disposing is optional but prompt. */
export class NativeDataset {
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
): NativeDataset {
  return new NativeDataset(pixels, labels, shape);
}
