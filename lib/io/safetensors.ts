// The safetensors format: 8 bytes header length (little-endian), a JSON header, then the bytes of all tensors.
// Strict both ways, because a model file comes from anywhere. Hosts are little-endian, like the format.
import { checkObject, checkString, describeValue, expected, isObject } from '../check';
import { OneSpikeError } from '../errors';
import { InputFile } from './binary/input-file';
import { fileKind, KIND_BYTES, type FileKind } from './file-kind';
import { duplicateKey } from './json-keys';
import { floatTable, isSmallFloat } from './small-floats';
import { atomicWrite } from './write';

const ARRAYS = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
} as const;

/**
 * The type of the elements of a tensor. F16, BF16 and the two of 8 bits are bit patterns in an array of integers: see
 * `toFloat32`.
 */
export type TensorType = keyof typeof ARRAYS;
/** The elements of a tensor, in an array of its type. */
export type TensorData =
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** A tensor in C order; `data` is of the array type of `dtype` and has as many elements as `shape` says. */
export interface Tensor {
  /** The type of the elements. */
  dtype: TensorType;
  /** The sizes of the dimensions. */
  shape: number[];
  /** The elements. */
  data: TensorData;
}

/** The contents of a safetensors file. */
export interface Safetensors {
  /** The metadata: text by name. */
  metadata: Record<string, string>;
  /** The tensors by name. */
  tensors: Map<string, Tensor>;
}

interface Entry {
  name: string;
  dtype: TensorType;
  shape: number[];
  begin: number;
  end: number;
}

const MAX_HEADER = 100_000_000; // the limit of the reference implementation

/**
 * Reads a whole safetensors file. Nothing is allocated that the size of the file does not back.
 *
 * Errors: ERR_IO, ERR_OOM, and ERR_FORMAT with file, offset and expectation for anything that the format does not
 * allow: holes, overlaps, unknown types, sizes that do not match, duplicate names, trailing bytes.
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  checkString(path, 'path');
  return InputFile.use(path, async (file) => {
    const { header, start } = await readHeader(file);
    const { metadata, entries } = parseHeader(header, start, file);
    const tensors = new Map<string, Tensor>();
    for (const { name, dtype, shape, begin, end } of entries) {
      const bytes = await file.read(start + begin, end - begin);
      tensors.set(name, { dtype, shape, data: new ARRAYS[dtype](bytes.buffer) });
    }
    return { metadata, tensors };
  });
}

/** Whether a file can be a safetensors file: after a length comes a header in JSON. Errors: ERR_IO. */
export async function isSafetensors(path: string): Promise<boolean> {
  return InputFile.use(path, async (file) => {
    const head = await file.head(9);
    return head.length === 9 && head[8] === 0x7b && head.readBigUInt64LE(0) <= BigInt(MAX_HEADER);
  });
}

/** Reads the metadata alone. Errors: as `readSafetensors`, as far as the header shows them. */
export async function readMetadata(path: string): Promise<Record<string, string>> {
  return InputFile.use(path, async (file) => {
    const { header, start } = await readHeader(file);
    return parseHeader(header, start, file).metadata;
  });
}

/**
 * Writes a file atomically. Data are laid out by element size, so that each tensor is aligned in the file. The arrays
 * must not change until the promise resolves.
 * Errors: ERR_ARG for a tensor that is not what it says, ERR_IO.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkString(path, 'path');
  if (Object.prototype.toString.call(tensors) !== '[object Map]')
    throw expected('a Map of tensors', 'tensors', tensors);
  for (const [key, value] of Object.entries(checkObject(metadata, 'metadata')))
    if (typeof value !== 'string') throw expected('a string', `metadata.${key}`, value);
  const header: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  if (Object.keys(metadata).length > 0) header['__metadata__'] = metadata;
  const pieces: Uint8Array[] = [];
  for (const [name, tensor] of tensors) checkTensor(name, tensor);
  const bySize = [...tensors].sort(
    ([, a], [, b]) => ARRAYS[b.dtype].BYTES_PER_ELEMENT - ARRAYS[a.dtype].BYTES_PER_ELEMENT,
  );
  let offset = 0;
  for (const [name, tensor] of bySize) {
    const { dtype, shape, data } = tensor;
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    pieces.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  if (padded > MAX_HEADER) throw expected(`a header of at most ${MAX_HEADER} bytes`, path, padded);
  const head = Buffer.alloc(8 + padded, ' ');
  head.writeBigUInt64LE(BigInt(padded), 0);
  text.copy(head, 8);
  await atomicWrite(path, [head, ...pieces]);
}

/**
 * The elements of a tensor of floats of at most 32 bits (F32, F16, BF16, F8_E4M3, F8_E5M2) as numbers, all of them
 * exact.
 * Errors: ERR_ARG for a tensor that is not what it says, or of another type.
 */
export function toFloat32(tensor: Tensor): Float32Array {
  checkTensor('tensor', tensor);
  const { dtype, data } = tensor;
  if (dtype === 'F32') return (data as Float32Array).slice();
  if (!isSmallFloat(dtype)) throw expected('F32, F16, BF16, F8_E4M3 or F8_E5M2', 'tensor.dtype', dtype);
  const table = floatTable(dtype);
  const floats = new Float32Array(data.length);
  for (let i = 0; i < floats.length; i++) floats[i] = table[data[i] as number]!;
  return floats;
}

async function readHeader(file: InputFile): Promise<{ header: string; start: number }> {
  const { path, size } = file;
  if (size < 8) throw file.damaged(0, 'a header length of 8 bytes', `a file of ${size} bytes`);
  const length = (await file.head(8)).readBigUInt64LE(0);
  const most = Math.min(MAX_HEADER, size - 8);
  if (length > BigInt(most)) {
    const kind = fileKind(await file.head(KIND_BYTES));
    if (kind !== undefined) throw foreign(path, kind);
    const limit = most === MAX_HEADER ? String(most) : `${most} (the rest of the file)`;
    throw file.damaged(0, `a header length of at most ${limit}`, length.toString());
  }
  const start = 8 + Number(length);
  const bytes = await file.read(8, start - 8);
  if (bytes[0] !== 0x7b)
    throw file.damaged(8, "a header that begins with '{'", bytes.length === 0 ? 'an empty one' : `byte ${bytes[0]}`);
  try {
    return { header: new TextDecoder('utf-8', { fatal: true }).decode(bytes), start };
  } catch (error) {
    throw file.damaged(8, 'a header in UTF-8', 'other bytes', error);
  }
}

function parseHeader(
  text: string,
  start: number,
  file: InputFile,
): { metadata: Record<string, string>; entries: Entry[] } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw file.damaged(8, 'a header in JSON', `an error: ${(error as Error).message}`, error);
  }
  if (!isObject(header)) throw file.damaged(8, 'a JSON object as header', describeValue(header));
  const twice = duplicateKey(text);
  if (twice !== undefined) throw file.damaged(8, 'names that differ', `'${twice}' twice`);
  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else entries.push(parseEntry(name, value, file));
  }
  checkLayout(entries, start, file);
  return { metadata, entries };
}

function parseMetadata(value: unknown, file: InputFile): Record<string, string> {
  if (!isObject(value)) throw file.damaged(8, 'an object of strings as __metadata__', describeValue(value));
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') throw file.damaged(8, `a string as __metadata__.${key}`, describeValue(text));
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown, file: InputFile): Entry {
  const fault = (what: string, received: unknown): OneSpikeError =>
    file.damaged(8, `${what} of tensor '${name}'`, describeValue(received));
  if (!isObject(value)) throw fault('an object as description', value);
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype))
    throw fault(`one of ${Object.keys(ARRAYS).join(', ')} as dtype`, dtype);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw fault('a list of sizes as shape', shape);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw fault('two offsets as data_offsets', offsets);
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw fault('no other key than dtype, shape and data_offsets in the description', unknown);
  const [begin, end] = offsets as [number, number];
  const bytes = product(shape) * ARRAYS[dtype as TensorType].BYTES_PER_ELEMENT;
  // A product beyond 2^53 is inexact, but then it is far beyond the size of any file as well.
  if (end - begin !== bytes) throw fault(`${bytes} bytes (its shape) between the offsets`, end - begin);
  return { name, dtype: dtype as TensorType, shape, begin, end };
}

// Tensors must tile the data from the first byte to the last, in whatever order.
function checkLayout(entries: readonly Entry[], start: number, file: InputFile): void {
  const dataSize = file.size - start;
  let next = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== next)
      throw file.damaged(
        start + next,
        `tensor '${name}' to begin at data offset ${next}`,
        begin > next ? `a hole up to ${begin}` : `an overlap from ${begin}`,
      );
    if (end > dataSize)
      throw file.damaged(start + begin, `tensor '${name}' to end within ${dataSize} bytes of data`, String(end));
    next = end;
  }
  if (next !== dataSize) throw file.damaged(start + next, 'the end of the file', `${dataSize - next} more bytes`);
}

function checkTensor(name: string, tensor: Tensor): void {
  if (typeof name !== 'string' || name === '' || name === '__metadata__')
    throw expected('a tensor name', 'tensors', name);
  if (!isObject(tensor)) throw expected('{ dtype, shape, data }', name, tensor);
  const { dtype, shape, data } = tensor;
  if (!Object.hasOwn(ARRAYS, dtype)) throw expected(`one of ${Object.keys(ARRAYS).join(', ')}`, `${name}.dtype`, dtype);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw expected('a list of sizes', `${name}.shape`, shape);
  // By name, not by class: an array of another realm, or a subclass, is as good.
  const kind = ArrayBuffer.isView(data) ? (data as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] : undefined;
  if (kind !== ARRAYS[dtype].name) throw expected(`a ${ARRAYS[dtype].name} (${dtype})`, `${name}.data`, data);
  if (data.length !== product(shape))
    throw expected(`${product(shape)} elements (the shape ${JSON.stringify(shape)})`, `${name}.data`, data);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function product(shape: readonly number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

/** The error for a file of another format, with what to do where that is known. */
function foreign(path: string, kind: FileKind): OneSpikeError {
  const advice: Partial<Record<FileKind, string>> = {
    'a zip archive': ', as PyTorch writes them; save its tensors by safetensors.torch.save_file in Python',
    'a Python pickle': '; save its tensors by safetensors.torch.save_file in Python',
    JSON: ', such as the index of a model in several files; name one of these',
  };
  return new OneSpikeError(
    'ERR_FORMAT',
    `Expected a safetensors file at ${path} but received ${kind}${advice[kind] ?? ''}`,
  );
}
