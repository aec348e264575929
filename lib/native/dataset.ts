// Images in native memory.
import type { DatasetHandle } from '../../binding';
import { checkTypedArray, expected } from '../check';
import { call } from './addon';

/**
 * A data set in native memory, so that a batch crosses the boundary as row numbers. Disposing of it is optional but
 * prompt.
 */
export class NativeDataset {
  /** @internal */
  readonly handle: DatasetHandle;
  /** The channels, height and width of an image. */
  readonly shape: readonly [number, number, number];
  /** The number of images. */
  readonly count: number;
  /** Whether the images have labels. */
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
 * Copies images (N, C, H, W) of `shape` [C, H, W], and their labels (N, or null for none), into native memory.
 *
 * Errors: ERR_ARG, ERR_SHAPE, ERR_OOM, ERR_NO_BACKEND.
 */
export function createDataset(
  pixels: Uint8Array,
  labels: Int32Array | null,
  shape: readonly [number, number, number],
): NativeDataset {
  return new NativeDataset(pixels, labels, shape);
}
