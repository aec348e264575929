// Tensors of the files of torch.save (PyTorch 1.6 and later): a zip archive with a pickle, data.pkl, and the bytes of
// every storage. A tensor is a view of a storage, with sizes, strides and an offset; several may share one.
import { describeValue } from '../../check';
import type { OneSpikeError } from '../../errors';
import type { InputFile } from '../../io/binary/input-file';
import { PickleTuple, unpickle, type PickleFault, type PickleGlobal } from '../../io/binary/pickle';
import { dataOffset, type ZipEntry } from '../../io/binary/zip';
import type { TensorType } from '../../io/safetensors';
import { ELEMENT_BYTES, elements, toFloats, type SourceTensor, type TensorSource } from './tensor';
import { advice, TorchArchive } from './torch-archive';

/** The pickle of a state dict has some hundred bytes for each tensor. */
const MAX_PICKLE = 2 ** 24;
const MAX_DIMENSIONS = 8;
/**
 * The longest a file's own numbers may grow in memory: 8-bit floats become those of 32 bits, and two layers may share
 * weights.
 */
const MAX_GROWTH = 8;

const STORAGES: Readonly<Record<string, TensorType>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const TYPES: Readonly<Record<string, TensorType>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
};

/** Bytes of an archive; the type of their elements is that of the tensor where the storage has none. */
class Storage {
  constructor(
    readonly key: string,
    readonly dtype: TensorType | undefined,
    readonly count: number,
  ) {}
}

/** A view of a storage. */
class View {
  constructor(
    readonly storage: Storage,
    readonly dtype: TensorType,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** A name that stands for a type of elements. */
class TypeName implements PickleGlobal {
  constructor(
    readonly name: string,
    readonly dtype: TensorType | undefined,
  ) {}
}

/**
 * The tensors of the state dict in an archive of torch.save, alone or as the entry of a checkpoint. Errors: ERR_FORMAT,
 * ERR_IO.
 */
export async function pytorchSource(file: InputFile): Promise<TensorSource> {
  const archive = await TorchArchive.open(file);
  const entry = archive.entry('data.pkl')!;
  if (entry.size > MAX_PICKLE)
    throw file.damaged(entry.header, `a data.pkl of at most ${MAX_PICKLE} bytes`, String(entry.size));
  const start = await dataOffset(file, entry);
  const damaged = (at: number, what: string, received: string): OneSpikeError =>
    file.damaged(start + at, `${what} in data.pkl`, received);
  const bytes = await file.read(start, entry.size);
  const persistent = (id: unknown, fault: PickleFault): Storage => {
    const storage = storageOf(id, fault);
    if (archive.entry(`data/${storage.key}`) === undefined)
      throw fault(`an entry of the storage '${storage.key}'`, 'none');
    return storage;
  };
  const value = unpickle(bytes, { globals: GLOBALS, persistent, damaged, advice });
  let left = MAX_GROWTH * file.size;
  const tensors = [...stateDict(value, damaged)].map(([name, view]): SourceTensor => {
    const { dtype, shape } = view;
    const content = archive.entry(`data/${view.storage.key}`)!;
    checkStorage(file, content, view, name);
    const read = async (): Promise<Float32Array> => {
      left -= 4 * elements(shape);
      if (left < 0) throw file.damaged(0, 'tensors of no more numbers than the file has room for', 'more');
      const buffer = await readView(file, content, view);
      return toFloats(dtype, buffer, () => `'${name}' of ${file.path}`);
    };
    return { name, dtype, shape, read };
  });
  return { format: 'pytorch', tensors, ordered: true };
}

/** An empty dictionary, or one of pairs. */
function orderedDict(args: readonly unknown[], fault: PickleFault): Map<unknown, unknown> {
  const [pairs = []] = args;
  if (!Array.isArray(pairs)) throw fault('a list of pairs of an OrderedDict', pairs);
  return new Map(
    pairs.map((pair): [unknown, unknown] => {
      const items = pair instanceof PickleTuple ? pair.items : pair;
      if (!Array.isArray(items) || items.length !== 2) throw fault('a pair of an OrderedDict', pair);
      return [items[0], items[1]];
    }),
  );
}

/** `('storage', type, key, location, count)`. */
function storageOf(id: unknown, fault: PickleFault): Storage {
  const [kind, type, key, , count] = id instanceof PickleTuple ? id.items : [];
  if (kind !== 'storage' || !(type instanceof TypeName) || typeof key !== 'string' || !isCount(count))
    throw fault('a reference to a storage', 'another one');
  return new Storage(key, type.dtype, count);
}

/** The tensor of `(storage, offset, sizes, strides, …)`, which lies within its storage. */
function view(args: readonly unknown[], type: unknown, fault: PickleFault): View {
  const [storage, offset, sizes, steps] = args;
  if (!(storage instanceof Storage)) throw fault('a storage of a tensor', storage);
  const dtype = type instanceof TypeName ? type.dtype : storage.dtype;
  if (dtype === undefined) throw fault('a type of elements of a tensor', type);
  if (!isCount(offset)) throw fault('the offset of a tensor', offset);
  const shape = counts(sizes);
  const strides = counts(steps);
  if (shape === undefined || strides === undefined || shape.length !== strides.length || shape.length > MAX_DIMENSIONS)
    throw fault('as many sizes as strides of a tensor', shape === undefined ? sizes : steps);
  const count = storage.dtype === undefined ? Math.floor(storage.count / ELEMENT_BYTES[dtype]) : storage.count;
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset);
  const number = elements(shape);
  // A tensor that repeats elements (a stride of 0) could be of any size, whatever the file has.
  if (number > 0 && (last >= count || number > count))
    throw fault(
      `a tensor within the ${count} elements of its storage`,
      `one of ${shape.join(' x ')} from ${offset} to ${last}`,
    );
  return new View(storage, dtype, offset, shape, strides);
}

function counts(value: unknown): number[] | undefined {
  return value instanceof PickleTuple && value.items.every(isCount) ? ([...value.items] as number[]) : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The entries of a checkpoint under which programs put the state dict of the model. */
const STATE_DICTS = ['state_dict', 'model_state_dict', 'model', 'net', 'module', 'weights'];

/** The dictionary of tensors that was saved, or that of the model in a checkpoint. */
function stateDict(
  value: unknown,
  damaged: (at: number, what: string, received: string) => OneSpikeError,
): Map<string, View> {
  const found = tensorsOf(value);
  if (found !== undefined) return found;
  if (value instanceof Map)
    for (const key of STATE_DICTS) {
      const inner = tensorsOf(value.get(key));
      if (inner !== undefined) return inner;
    }
  const received = value instanceof Map ? `a dictionary of ${keysOf(value)}` : describeValue(value);
  throw damaged(0, `a dictionary of tensors, or one under ${STATE_DICTS.join(', ')},`, received);
}

function keysOf(dictionary: Map<unknown, unknown>): string {
  const names = [...dictionary.keys()].slice(0, 8).map((key) => describeValue(key));
  return names.length === 0 ? 'nothing' : names.join(', ');
}

/** The tensors of a dictionary that holds any; other values beside them are left out. */
function tensorsOf(value: unknown): Map<string, View> | undefined {
  if (!(value instanceof Map)) return undefined;
  const tensors = [...value].filter(([name, view]) => typeof name === 'string' && view instanceof View);
  return tensors.length === 0 ? undefined : (new Map(tensors) as Map<string, View>);
}

/** Errors: ERR_FORMAT for an entry with fewer bytes than its storage has. */
function checkStorage(file: InputFile, entry: ZipEntry, { storage, dtype }: View, name: string): void {
  const bytes = storage.dtype === undefined ? storage.count : storage.count * ELEMENT_BYTES[dtype];
  if (entry.size < bytes)
    throw file.damaged(entry.header, `${bytes} bytes of storage '${storage.key}' of '${name}'`, String(entry.size));
}

/** The elements of a view, in C order. */
async function readView(
  file: InputFile,
  entry: ZipEntry,
  { dtype, offset, shape, strides }: View,
): Promise<ArrayBuffer> {
  const size = ELEMENT_BYTES[dtype];
  const number = elements(shape);
  if (number === 0) return new ArrayBuffer(0);
  const start = (await dataOffset(file, entry)) + offset * size;
  const span = 1 + shape.reduce((sum, side, i) => sum + (side - 1) * strides[i]!, 0);
  const read = await file.read(start, span * size);
  return isContiguous(shape, strides) ? read.buffer : gather(read, shape, strides, size);
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return false;
    step *= shape[i]!;
  }
  return true;
}

function gather(from: Uint8Array, shape: readonly number[], strides: readonly number[], size: number): ArrayBuffer {
  const into = new Uint8Array(elements(shape) * size);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let at = 0; at < into.length; at += size) {
    for (let byte = 0; byte < size; byte++) into[at + byte] = from[position * size + byte]!;
    for (let i = shape.length - 1; i >= 0; i--) {
      index[i]!++;
      position += strides[i]!;
      if (index[i]! < shape[i]!) break;
      position -= index[i]! * strides[i]!;
      index[i] = 0;
    }
  }
  return into.buffer;
}

const names: readonly PickleGlobal[] = [
  { name: 'collections.OrderedDict', call: orderedDict },
  { name: 'torch._utils._rebuild_tensor_v2', call: (args, fault) => view(args, undefined, fault) },
  { name: 'torch._utils._rebuild_tensor_v3', call: (args, fault) => view(args, args[6], fault) },
  { name: 'torch._utils._rebuild_parameter', call: ([tensor]) => tensor },
  { name: 'torch.Size', call: ([sizes]) => sizes },
  { name: 'torch.device', call: () => 'a device' },
  new TypeName('torch.storage.UntypedStorage', undefined),
  ...Object.entries({ ...STORAGES, ...TYPES }).map(([name, dtype]) => new TypeName(`torch.${name}`, dtype)),
];
/** The names that a file of tensors needs. */
const GLOBALS: ReadonlyMap<string, PickleGlobal> = new Map(names.map((global) => [global.name, global]));
