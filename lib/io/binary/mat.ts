// Matlab's files of level 5 (MATLAB 5.0 MAT-file, "MAT-File Format", The MathWorks), of which numeric arrays are read.
import { promisify } from 'node:util';
import { inflate as inflateCallback } from 'node:zlib';

import type { OneSpikeError } from '../../errors';
import { NUMBER_TYPES, type NumberType } from './number-types';

const inflate = promisify(inflateCallback);

const HEADER = 128;
const MAX_DIMENSIONS = 8;
const MAX_NAME = 64;
/** Numbers that are not bytes, of all arrays: labels, of which a set has half a million. */
const MAX_NUMBERS = 2 ** 22;
const MATRIX = 14;
const COMPRESSED = 15;
/** Classes of numeric arrays: double, single, and integers of 8 to 64 bits. */
const isNumeric = (kind: number): boolean => kind >= 6 && kind <= 15;

/** How numbers are stored, whatever the class of their array. */
const TYPES: Readonly<Record<number, NumberType>> = {
  1: NUMBER_TYPES.i1,
  2: NUMBER_TYPES.u1,
  3: NUMBER_TYPES.i2,
  4: NUMBER_TYPES.u2,
  5: NUMBER_TYPES.i4,
  6: NUMBER_TYPES.u4,
  7: NUMBER_TYPES.f4,
  9: NUMBER_TYPES.f8,
  12: NUMBER_TYPES.i8,
  13: NUMBER_TYPES.u8,
};
const BYTES = 2;

/** A numeric array of a file; the first index runs fastest. */
export interface MatArray {
  shape: number[];
  /** The numbers; bytes where they are stored as such, without a copy. */
  values: Uint8Array | Float64Array;
}

/** The error at a position: what was expected and what came. */
export type MatFault = (at: number, what: string, received: string) => OneSpikeError;

/**
 * The numeric arrays of a file by their names; arrays of other kinds are passed over. `most` is how many bytes all
 * compressed arrays may take once they are inflated.
 *
 * Errors: those of `damaged`.
 */
export async function readMat(bytes: Buffer, most: number, damaged: MatFault): Promise<Map<string, MatArray>> {
  const little = checkHeader(bytes, damaged);
  const arrays = new Map<string, MatArray>();
  let left = most;
  let numbers = 0;
  for (let at = HEADER; at < bytes.length; ) {
    const reader = new Reader(bytes, at, bytes.length, little, damaged, (position) => position);
    const element = reader.next();
    at = element.next;
    let inner = reader.within(element);
    if (element.type === COMPRESSED) {
      inner = await inflated(inner, element.start, left, damaged);
      left = Math.max(0, left - inner.bytes().length);
      const matrix = inner.next();
      checkMatrix(matrix, element.start, damaged);
      inner = inner.within(matrix);
    } else checkMatrix(element, element.start, damaged);
    const array = readMatrix(inner);
    if (array === undefined) continue;
    numbers += array.values instanceof Uint8Array ? 0 : array.values.length;
    if (numbers > MAX_NUMBERS)
      throw damaged(element.start, `at most ${MAX_NUMBERS} numbers that are not bytes`, String(numbers));
    arrays.set(array.name, array);
  }
  return arrays;
}

/** Whether the numbers have their lowest byte first. */
function checkHeader(bytes: Buffer, damaged: MatFault): boolean {
  const order = bytes.toString('latin1', 126, 128);
  if (bytes.length < HEADER || (order !== 'IM' && order !== 'MI')) {
    const hdf = bytes.toString('latin1', 0, 10).startsWith('MATLAB 7.3') || bytes[0] === 0x89;
    const received = hdf ? "one of level 7.3 (HDF5): save it by save(…, '-v7')" : 'other bytes';
    throw damaged(Math.min(126, bytes.length), "a MAT-file of level 5, with 'IM' or 'MI',", received);
  }
  const little = order === 'IM';
  const version = little ? bytes.readUInt16LE(124) : bytes.readUInt16BE(124);
  if (version !== 0x0100) throw damaged(124, 'the version 0x0100 of a MAT-file', `0x${version.toString(16)}`);
  return little;
}

/** A file holds arrays alone, each compressed or not. */
function checkMatrix({ type }: Element, at: number, damaged: MatFault): void {
  if (type !== MATRIX) throw damaged(at, 'an array', `an element of type ${type}`);
}

async function inflated(packed: Reader, start: number, most: number, damaged: MatFault): Promise<Reader> {
  const content = await inflate(packed.bytes(), { maxOutputLength: most + 4096 }).catch((error: Error) => {
    throw damaged(start, `at most ${most} intact bytes of compressed arrays`, error.message);
  });
  // What is wrong inside has no position in the file but that of the whole.
  return new Reader(content, 0, content.length, packed.little, damaged, () => start);
}

interface Element {
  type: number;
  start: number;
  size: number;
  /** Where the next one begins. */
  next: number;
}

/** Tagged elements, one behind the other. */
class Reader {
  constructor(
    private readonly buffer: Buffer,
    private at: number,
    private readonly end: number,
    readonly little: boolean,
    private readonly damaged: MatFault,
    private readonly placeOf: (position: number) => number,
  ) {}

  get ended(): boolean {
    return this.at >= this.end;
  }

  bytes(): Buffer {
    return this.buffer.subarray(this.at, this.end);
  }

  within({ start, size }: Element): Reader {
    return new Reader(this.buffer, start, start + size, this.little, this.damaged, this.placeOf);
  }

  fault(what: string, received: string): OneSpikeError {
    return this.damaged(this.placeOf(this.at), what, received);
  }

  next(): Element {
    const left = this.end - this.at;
    if (left < 8) throw this.fault('an element of 8 bytes', `${left}, the end`);
    const word = this.#u32(this.at);
    // A small element has its size and up to four bytes in the words of the tag.
    const small = word >>> 16;
    const element = small > 0 ? this.#small(word & 0xffff, small) : this.#large(word);
    if (element.start + element.size > this.end)
      throw this.fault(`${element.size} bytes of an element`, `${this.end - element.start}, the end`);
    this.at = element.next;
    return element;
  }

  #small(type: number, size: number): Element {
    if (size > 4) throw this.fault('a small element of at most 4 bytes', String(size));
    return { type, start: this.at + 4, size, next: this.at + 8 };
  }

  #large(type: number): Element {
    const size = this.#u32(this.at + 4);
    const start = this.at + 8;
    // Compressed elements follow one another without a gap, all others at multiples of eight bytes.
    const padding = type === COMPRESSED ? 0 : (8 - (size % 8)) % 8;
    return { type, start, size, next: Math.min(start + size + padding, this.end) };
  }

  /** The numbers of an element. */
  numbers({ type, start, size }: Element): Uint8Array | Float64Array {
    const bytes = this.buffer.subarray(start, start + size);
    if (type === BYTES) return bytes;
    const known = TYPES[type];
    if (known === undefined || size % known.size !== 0) throw this.fault('numbers of a known type', `type ${type}`);
    const { size: width, read } = known;
    if (size > width * MAX_NUMBERS)
      throw this.fault(`at most ${MAX_NUMBERS} numbers that are not bytes`, String(size / width));
    const view = new DataView(bytes.buffer, bytes.byteOffset, size);
    return Float64Array.from({ length: size / width }, (_, i) => read(view, i * width, this.little));
  }

  #u32(at: number): number {
    return this.little ? this.buffer.readUInt32LE(at) : this.buffer.readUInt32BE(at);
  }
}

/** The parts of an array: flags, sizes, name, numbers. Undefined for one that is not of real numbers. */
function readMatrix(reader: Reader): (MatArray & { name: string }) | undefined {
  const flags = reader.numbers(reader.next());
  const kind = (flags[0] ?? 0) & 0xff;
  const complex = ((flags[0] ?? 0) & 0x0800) !== 0;
  const sizes = reader.next();
  if (sizes.size > 4 * MAX_DIMENSIONS)
    throw reader.fault(`at most ${MAX_DIMENSIONS} dimensions`, String(sizes.size / 4));
  const shape = [...reader.numbers(sizes)];
  const named = reader.next();
  if (named.size > MAX_NAME) throw reader.fault(`a name of at most ${MAX_NAME} bytes`, String(named.size));
  const name = Buffer.from(reader.within(named).bytes()).toString('latin1');
  if (!isNumeric(kind) || complex || reader.ended) return undefined;
  const values = reader.numbers(reader.next());
  const count = shape.reduce((product, side) => product * side, 1);
  if (shape.length < 2 || shape.some((side) => side < 0) || count !== values.length)
    throw reader.fault(`numbers for ${shape.join(' x ')} of '${name.slice(0, MAX_NAME)}'`, String(values.length));
  return { name, shape, values };
}
