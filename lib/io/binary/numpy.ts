// Arrays of NumPy in pickles: which names build one, and its numbers. Nothing of NumPy is called; the names of its
// functions stand for the few objects below.
import { NUMBER_TYPES, type NumberType } from './number-types';
import { PickleTuple, type PickleFault, type PickleGlobal } from './pickle';

const { u1, i1, u2, i2, u4, i4, u8, i8 } = NUMBER_TYPES;
/** The integers that are read, by their type codes; `b1` are truth values. */
const INTEGERS: Readonly<Record<string, NumberType>> = { u1, i1, b1: u1, u2, i2, u4, i4, u8, i8 };
const MAX_DIMENSIONS = 8;
/** Versions of the state of a type, and its parts: the second came with names, the third and fourth with one more. */
const TYPE_VERSIONS: readonly unknown[] = [1, 2, 3, 4];
const TYPE_PARTS = [7, 8, 9];

/** The type of the elements of an array. */
class NumpyType {
  bigEndian = false;

  constructor(
    /** `u1` and the like: the kind and the number of bytes. */
    readonly code: string,
  ) {}
}

/** An array of integers. */
export class NumpyArray {
  shape: readonly number[] = [];
  bytes: Uint8Array = new Uint8Array(0);
  /** Whether the first index runs fastest. */
  fortran = false;
  #type = new NumpyType('u1');

  /** Whether the elements are bytes from 0 to 255. */
  get isBytes(): boolean {
    return this.#type.code === 'u1';
  }

  /**
   * Fills an array that was constructed empty. Errors: those of `fault`, for anything but as many bytes as its shape
   * needs.
   */
  fill(shape: unknown, type: unknown, fortran: unknown, data: unknown, fault: PickleFault): this {
    if (!(type instanceof NumpyType)) throw fault('the type of an array', type);
    const size = INTEGERS[type.code]?.size;
    if (size === undefined) throw fault('an array of integers', `one of type '${type.code}'`);
    const sides = shape instanceof PickleTuple ? shape.items : undefined;
    if (sides === undefined || sides.length > MAX_DIMENSIONS || !sides.every(isCount))
      throw fault('the shape of an array', shape);
    const bytes = bytesOf(data);
    if (bytes === undefined) throw fault('the bytes of an array', typeof data === 'string' ? 'a text' : data);
    const expected = sides.reduce((product, side) => product * side, size);
    if (bytes.length !== expected) throw fault(`${expected} bytes of an array`, String(bytes.length));
    this.shape = sides;
    this.bytes = bytes;
    this.fortran = fortran === true || fortran === 1;
    this.#type = type;
    return this;
  }

  /** The elements in the order of the bytes. */
  integers(): number[] {
    const { code, bigEndian } = this.#type;
    const { size, read } = INTEGERS[code]!;
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return Array.from({ length: this.bytes.length / size }, (_, i) => read(view, i * size, !bigEndian));
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The bytes of a value: strings of Python 2 are bytes as well, which texts of other characters are not. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' && !/[^\0-\xff]/.test(value) ? Buffer.from(value, 'latin1') : undefined;
}

function typeNamed([code]: readonly unknown[], fault: PickleFault): NumpyType {
  if (typeof code !== 'string') throw fault('the name of a type of NumPy', code);
  return new NumpyType(code);
}

function setTypeState(type: unknown, state: unknown, fault: PickleFault): void {
  const items = state instanceof PickleTuple ? state.items : [];
  const [version, order, shape, names] = items;
  const known = TYPE_VERSIONS.includes(version) && TYPE_PARTS.includes(items.length);
  if (!(type instanceof NumpyType) || !known || typeof order !== 'string')
    throw fault('the state of a type of NumPy', state);
  if ((shape ?? null) !== null || (names ?? null) !== null) throw fault('a type of single numbers', 'one with fields');
  type.bigEndian = order === '>';
}

/** `(version, shape, type, whether the first index runs fastest, bytes)`. */
function setArrayState(array: unknown, state: unknown, fault: PickleFault): void {
  const items = state instanceof PickleTuple ? state.items : [];
  const [version, shape, type, fortran, data] = items;
  if (!(array instanceof NumpyArray)) throw fault('an array', array);
  if (version !== 1 || items.length !== 5) throw fault('the state of an array of version 1, of five parts', state);
  array.fill(shape, type, fortran, data, fault);
}

function scalar([type, data]: readonly unknown[], fault: PickleFault): number {
  const shape = new PickleTuple([]);
  return new NumpyArray().fill(shape, type, false, data, fault).integers()[0]!;
}

function fromBuffer([data, type, shape, order]: readonly unknown[], fault: PickleFault): NumpyArray {
  return new NumpyArray().fill(shape, type, order === 'F', data, fault);
}

/** Bytes in the protocols of Python 2, which has none: a text whose characters are the bytes. */
function encode([text, encoding]: readonly unknown[], fault: PickleFault): Uint8Array {
  const bytes =
    typeof text === 'string' && (encoding === 'latin1' || encoding === 'latin-1') ? bytesOf(text) : undefined;
  if (bytes === undefined) throw fault('a text of Latin 1 to encode', typeof text === 'string' ? 'another one' : text);
  return bytes;
}

/** NumPy 2 has moved its functions from `numpy.core` to `numpy._core`. */
const inCore = (name: string, rest: Omit<PickleGlobal, 'name'>): PickleGlobal[] =>
  ['numpy.core', 'numpy._core'].map((core) => ({ name: `${core}.${name}`, ...rest }));

const names: readonly PickleGlobal[] = [
  { name: 'numpy.dtype', call: typeNamed, setState: setTypeState },
  { name: 'numpy.ndarray' },
  ...inCore('multiarray._reconstruct', { call: () => new NumpyArray(), setState: setArrayState }),
  ...inCore('multiarray.scalar', { call: scalar }),
  ...inCore('numeric._frombuffer', { call: fromBuffer }),
  { name: '_codecs.encode', call: encode },
];

/** The names of Python that pickles of arrays need. */
export const NUMPY_GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map(names.map((global) => [global.name, global]));
