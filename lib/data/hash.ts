// The hash of a set of images, by which runs and ranks recognise it.
import { createHash } from 'node:crypto';
import type { ImageSet } from './types';

/** SHA-256 of shape, labels and pixels; the pixels may come in parts. */
export class ImageHash {
  readonly #hash = createHash('sha256');

  constructor({ shape, labels }: Pick<ImageSet, 'shape' | 'labels'>) {
    this.#hash.update(JSON.stringify(shape));
    this.#hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  }

  add(pixels: Uint8Array): void {
    this.#hash.update(pixels);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}
