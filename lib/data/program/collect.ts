// The images of one part of a program's data set, brought into memory.
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { checkInteger, checkObject, checkOptions, checkTypedArray, expected, isObject } from '../../check';
import { OneSpikeError } from '../../errors';
import { abortError, throwIfAborted } from '../files';
import { IMAGE_SIDE, MOST_BYTES, type ImageShape } from '../types';
import type { ImagePiece, ImageStream, LabelList, ProgramPart } from './types';

/** Images whose labels may still be names. */
export interface Collected {
  shape: ImageShape;
  classes: readonly string[] | undefined;
  pixels: Uint8Array;
  labels: LabelList;
  count: number;
}

export interface CollectOptions {
  /** The name of the part in messages. */
  name: string;
  /** What holds where the part does not say otherwise. */
  shape: ImageShape | undefined;
  classes: readonly string[] | undefined;
  /** The images to take. */
  most: number;
  signal: AbortSignal | undefined;
}

const partKeys = ['pixels', 'labels', 'count', 'shape', 'classes', 'images'] as const;
const pieceKeys = ['pixels', 'label', 'labels', 'shape'] as const;
/** Pieces of a stream that is not asynchronous, between which other work of the thread may come. */
const PIECES_AT_ONCE = 256;

/** Errors: ERR_ARG, ERR_SHAPE, ERR_ABORTED, and whatever a stream throws. */
export async function collect(part: ProgramPart, options: CollectOptions): Promise<Collected> {
  const { name } = options;
  if (typeof part === 'function') {
    const stream: unknown = part();
    if (!isStream(stream)) throw expected('an iterable or an async iterable', `what ${name} gives`, stream);
    return collectStream(stream, options);
  }
  if (isStream(part)) return collectStream(part, options);
  const given = checkOptions(checkObject(part ?? null, name), name, partKeys);
  const shape = given.shape === undefined ? options.shape : checkShape(given.shape, `${name}.shape`);
  const classes = given.classes === undefined ? options.classes : checkClassNames(given.classes, `${name}.classes`);
  if (given.images !== undefined) {
    if (!isStream(given.images)) throw expected('an iterable or an async iterable', `${name}.images`, given.images);
    return collectStream(given.images, { ...options, shape, classes });
  }
  if (shape === undefined) throw expected('[channels, height, width]', `${name}.shape`, undefined);
  const pixels = checkPixels(given.pixels, `${name}.pixels`);
  const labels = checkLabels(given.labels, `${name}.labels`);
  const all = given.count === undefined ? labels.length : checkInteger(given.count, `${name}.count`, { min: 1 });
  if (all === 0) throw noImages(name);
  const size = sizeOf(shape);
  if (labels.length !== all) throw expected(`${all} labels`, `${name}.labels`, labels, 'ERR_SHAPE');
  if (pixels.length !== all * size)
    throw expected(
      `${all * size} bytes (${all} images of ${shape.join(' x ')})`,
      `${name}.pixels`,
      pixels,
      'ERR_SHAPE',
    );
  const count = Math.min(all, options.most);
  const taken = count === all ? labels : Array.from({ length: count }, (_, i) => labels[i]!);
  return { shape, classes, pixels: pixels.subarray(0, count * size), labels: taken, count };
}

const noImages = (name: string): OneSpikeError => expected('at least one image', name, []);

function isStream(value: unknown): value is ImageStream {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  const stream = value as Partial<AsyncIterable<unknown> & Iterable<unknown>>;
  return typeof stream[Symbol.asyncIterator] === 'function' || typeof stream[Symbol.iterator] === 'function';
}

async function collectStream(stream: ImageStream, options: CollectOptions): Promise<Collected> {
  const { name, most, signal } = options;
  let { shape } = options;
  const store = new PixelStore(name);
  const labels: (number | string)[] = [];
  let pieces = 0;
  await eachOf<ImagePiece>(stream, name, signal, async (piece) => {
    const where = `piece ${pieces} of ${name}`;
    if (!isObject(piece)) throw expected('{ pixels, label } or { pixels, labels }', where, piece);
    const given = checkOptions(piece, where, pieceKeys);
    if (given.shape !== undefined) shape ??= checkShape(given.shape, `the shape of ${where}`);
    if (shape === undefined)
      throw expected(
        '[channels, height, width] (of the piece, the part or the data set)',
        `the shape of ${where}`,
        undefined,
      );
    const own = given.labels === undefined ? [checkLabel(given.label, `the label of ${where}`)] : undefined;
    const added = own ?? checkLabels(given.labels, `the labels of ${where}`);
    const pixels = checkPixels(given.pixels, `the pixels of ${where}`);
    const size = sizeOf(shape);
    if (pixels.length !== added.length * size)
      throw expected(
        `${added.length * size} bytes (${added.length} images of ${shape.join(' x ')})`,
        `the pixels of ${where}`,
        pixels,
        'ERR_SHAPE',
      );
    const taken = Math.min(added.length, most - labels.length);
    store.add(pixels.subarray(0, taken * size));
    for (let i = 0; i < taken; i++) labels.push(added[i]!);
    pieces++;
    if (pieces % PIECES_AT_ONCE === 0) await yieldToOthers();
    return labels.length < most;
  });
  if (labels.length === 0) throw noImages(name);
  return { shape: shape!, classes: options.classes, pixels: store.take(), labels, count: labels.length };
}

/**
 * Asks for one value after the other, the next one when the work with the last is done, until `work` answers false. The
 * stream is told when it is left early; an abort does not wait for it.
 */
async function eachOf<T>(
  stream: AsyncIterable<T> | Iterable<T>,
  name: string,
  signal: AbortSignal | undefined,
  work: (value: T) => Promise<boolean>,
): Promise<void> {
  const what = `reading ${name}`;
  throwIfAborted(signal, what);
  const iterator = Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : stream[Symbol.iterator]();
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(abortError(signal!, what));
    signal?.addEventListener('abort', abort, { once: true });
  });
  aborted.catch(() => undefined);
  const orAborted = <R>(promise: R | Promise<R>): Promise<R> => Promise.race([promise, aborted]);
  let left = true;
  try {
    for (;;) {
      throwIfAborted(signal, what);
      const next = await orAborted(iterator.next());
      if (next.done === true) {
        left = false;
        return;
      }
      if (!(await work(next.value))) return;
    }
  } finally {
    // A stream that waits for something would answer only then.
    if (left) {
      const closed = Promise.resolve(iterator.return?.()).catch(() => undefined);
      await orAborted(closed).catch(() => undefined);
    }
    signal?.removeEventListener('abort', abort);
  }
}

/** Bytes that come in pieces, of which no more is held twice than one block. */
class PixelStore {
  static readonly #block = 2 ** 24;
  readonly #blocks: Uint8Array[] = [];
  #used = PixelStore.#block;
  #length = 0;

  constructor(private readonly name: string) {}

  add(bytes: Uint8Array): void {
    if (this.#length + bytes.length > MOST_BYTES)
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected at most ${MOST_BYTES} bytes of pixels for ${this.name} but received more; ` +
          'trainCount and testCount take fewer images',
      );
    this.#length += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === PixelStore.#block) {
        this.#blocks.push(new Uint8Array(PixelStore.#block));
        this.#used = 0;
      }
      const part = bytes.subarray(at, at + PixelStore.#block - this.#used);
      this.#blocks.at(-1)!.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  /** All bytes; the blocks are given up one by one. */
  take(): Uint8Array {
    const all = new Uint8Array(this.#length);
    for (let at = 0; at < all.length; at += PixelStore.#block)
      all.set(this.#blocks.shift()!.subarray(0, all.length - at), at);
    return all;
  }
}

const sizeOf = ([channels, height, width]: ImageShape): number => channels * height * width;

/** Errors: ERR_ARG for anything but bytes of one of the two kinds. */
function checkPixels(value: unknown, name: string): Uint8Array {
  const clamped = Object.prototype.toString.call(value) === '[object Uint8ClampedArray]';
  if (!clamped) return checkTypedArray(value, name, 'Uint8Array');
  const { buffer, byteOffset, length } = value as Uint8ClampedArray<ArrayBuffer>;
  return checkTypedArray(new Uint8Array(buffer, byteOffset, length), name, 'Uint8Array');
}

function checkLabel(value: unknown, name: string): number | string {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))) return value;
  throw expected('an integer or the name of a class', name, value);
}

function checkLabels(value: unknown, name: string): LabelList {
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  if (!isList) throw expected('a list of labels', name, value);
  return value as LabelList;
}

export function checkShape(value: unknown, name: string): ImageShape {
  if (!Array.isArray(value) || value.length !== 3) throw expected('[channels, height, width]', name, value);
  value.forEach((side: unknown, i) => checkInteger(side, `${name}[${i}]`, IMAGE_SIDE));
  return [...value] as ImageShape;
}

export function checkClassNames(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.some((item) => typeof item !== 'string'))
    throw expected('a list of names', name, value);
  if (new Set(value).size !== value.length) throw expected('names that differ', name, value);
  return value as string[];
}
