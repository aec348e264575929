// ONNX models from bytes: as much of onnx.proto as a feed-forward network has. Nothing is allocated that the file does
// not back.
import { isUtf8 } from 'node:buffer';
import { OneSpikeError } from '../../errors';
import type { InputFile } from '../../io/binary/input-file';
import { readFields, readPacked, WireError } from '../../io/binary/protobuf';
import type { TensorType } from '../../io/safetensors';
import { ELEMENT_BYTES, elements, toFloats } from '../sources/tensor';
import { absentValue, checkAttributes, type Claimed } from './attributes';

/** A constant of a model. */
export interface OnnxTensor {
  name: string;
  dtype: TensorType;
  shape: number[];
  /** The elements in C order; floats of 64 bits are rounded. Errors: ERR_FORMAT for a type that holds no floats. */
  floats(): Promise<Float32Array>;
  /** The elements of a tensor of 64-bit integers. Errors: ERR_FORMAT. */
  integers(): number[];
}

export interface OnnxAttribute {
  float: number | undefined;
  integer: number | undefined;
  text: string | undefined;
  tensor: OnnxTensor | undefined;
  integers: number[];
}

export interface OnnxOperation {
  /** The name of the node, or that of its output. */
  name: string;
  op: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, OnnxAttribute>;
}

export interface OnnxInput {
  name: string;
  /** TensorProto.DataType. */
  type: number;
  /** The sizes; undefined for one that is free. */
  shape: (number | undefined)[];
}

export interface OnnxModel {
  nodes: OnnxOperation[];
  constants: Map<string, OnnxTensor>;
  inputs: OnnxInput[];
  outputs: string[];
}

/** TensorProto.DataType of the types that are read. */
const TYPES: Readonly<Record<number, TensorType>> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  16: 'BF16',
};
const MAX_BYTES = 2 ** 31 - 1;
const MAX_DIMENSIONS = 16;
/** Names of the domain of ONNX's own operations. */
const OWN_DOMAINS = ['', 'ai.onnx'];
/** The versions of the format: from the first that names those of its operations to that of ONNX 1.23. */
const FORMATS = [3, 13] as const;
/**
 * The versions of the operations. Before the seventh, Add and its like laid their operands over each other by
 * attributes; the last is of ONNX 1.23.
 */
const OPSETS = [7, 26] as const;
const EXTERNAL = 1; // TensorProto.DataLocation

/** Reads a model. Errors: ERR_FORMAT for what is none, and for tensors in other files. */
export async function readOnnx(file: InputFile): Promise<OnnxModel> {
  if (file.size > MAX_BYTES) throw file.damaged(0, `a model of at most ${MAX_BYTES} bytes`, String(file.size));
  try {
    const model = new Message(await file.read(0, file.size), new Budget());
    const graph = model.message(7);
    if (graph === undefined) throw new WireError('an ONNX model, with a graph,', 'none');
    const read = readGraph(graph, file.path);
    checkVersions(model);
    return read;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `${error.message.replace(' but received', ` for ${file.path} but received`)}`,
      {
        cause: error,
      },
    );
  }
}

/** Errors: WireError for versions that may mean something else by an operation, or by the format itself. */
function checkVersions(model: Message): void {
  const within = (version: number, [least, most]: readonly [number, number]): boolean =>
    version >= least && version <= most;
  const format = model.integers(1).at(-1) ?? 0;
  if (!within(format, FORMATS)) throw new WireError(`ONNX of IR version ${FORMATS.join(' to ')}`, String(format));
  const own = model.messages(8).filter((operations) => OWN_DOMAINS.includes(operations.text(1)));
  const versions = own.map((operations) => operations.integers(2).at(-1) ?? 0);
  if (versions.length === 0 || !versions.every((version) => within(version, OPSETS)))
    throw new WireError(`operations of opset ${OPSETS.join(' to ')}`, versions.join(', ') || 'none');
}

function readGraph(graph: Message, path: string): OnnxModel {
  const constants = graph.messages(5).map((tensor) => readTensor(tensor, path));
  // Shapes between the operations, which are not used either.
  graph.messages(13).map(readInput);
  return {
    nodes: graph.messages(1).map((node) => readNode(node, path)),
    constants: new Map(constants.map((constant) => [constant.name, constant])),
    inputs: graph.messages(11).map(readInput),
    outputs: graph.messages(12).map((value) => readInput(value).name),
  };
}

function readNode(node: Message, path: string): OnnxOperation {
  const outputs = node.texts(2);
  const claimed = new Map<string, Claimed>();
  const attributes = node.messages(5).map((attribute): [string, OnnxAttribute] => {
    const tensor = attribute.message(5);
    const type = attribute.integers(20).at(-1);
    const absent = absentValue(type);
    const value = {
      float: attribute.float(2) ?? absent.float,
      integer: attribute.integers(3).at(-1) ?? absent.integer,
      text: attribute.texts(4).at(-1) ?? absent.text,
      tensor: tensor === undefined ? undefined : readTensor(tensor, path),
      integers: attribute.integers(8),
    };
    claimed.set(attribute.text(1), { type, fields: attribute.numbers });
    return [attribute.text(1), value];
  });
  const domain = node.text(7);
  const op = OWN_DOMAINS.includes(domain) ? node.text(4) : `${domain}.${node.text(4)}`;
  const name = node.text(3) || outputs[0] || 'a node without a name';
  checkAttributes(op, name, claimed, path);
  return {
    name,
    op,
    inputs: node.texts(1),
    outputs,
    attributes: new Map(attributes),
  };
}

function readInput(value: Message): OnnxInput {
  const tensor = value.message(2)?.message(1);
  const dimensions = tensor?.message(2)?.messages(1) ?? [];
  return {
    name: value.text(1),
    type: tensor?.integers(1).at(-1) ?? 0,
    shape: dimensions.map((dimension) => {
      // The name of a size that is free: not used, but a text.
      dimension.text(2);
      return dimension.integers(1).at(-1);
    }),
  };
}

function readTensor(message: Message, path: string): OnnxTensor {
  const name = message.text(8);
  const fault = (what: string, received: string): OneSpikeError =>
    new OneSpikeError('ERR_FORMAT', `Expected ${what} of '${name}' of ${path} but received ${received}`);
  const shape = message.integers(1);
  if (shape.length > MAX_DIMENSIONS) throw fault(`at most ${MAX_DIMENSIONS} dimensions`, String(shape.length));
  if (shape.some((side) => side < 0)) throw fault('sizes of at least 0', shape.join(' x '));
  const type = message.integers(2).at(-1) ?? 0;
  const dtype = TYPES[type];
  if (dtype === undefined) throw fault('elements of a known type', `type ${type}`);
  if (message.integers(14).at(-1) === EXTERNAL)
    throw fault('the elements within the file', 'those of another file: save the model with its weights inside');
  const bytes = elements(shape) * ELEMENT_BYTES[dtype];
  const content = (): ArrayBuffer => {
    const raw = message.bytes(9) ?? listed(message, dtype);
    if (raw.byteLength !== bytes) throw fault(`${bytes} bytes (its shape)`, String(raw.byteLength));
    return Uint8Array.from(raw).buffer;
  };
  return {
    name,
    dtype,
    shape,
    floats: async () => toFloats(dtype, content(), () => `'${name}' of ${path}`),
    integers: () => {
      if (dtype !== 'I64') throw fault('64-bit integers', dtype);
      return Array.from(new BigInt64Array(content()), Number);
    },
  };
}

/** The elements of a tensor that has them in a list of their own and not as bytes. */
function listed(message: Message, dtype: TensorType): Uint8Array {
  if (dtype === 'F32') return message.joined(4);
  if (dtype === 'F64') return message.joined(10);
  const bigs = message.varints(dtype === 'I64' ? 7 : 5);
  if (dtype === 'I64') return new Uint8Array(BigInt64Array.from(bigs).buffer);
  if (dtype === 'I32') return new Uint8Array(Int32Array.from(bigs, Number).buffer);
  return ELEMENT_BYTES[dtype] === 2
    ? new Uint8Array(Uint16Array.from(bigs, Number).buffer)
    : Uint8Array.from(bigs, (value) => Number(value & 255n));
}

const MAX_MESSAGES = 2 ** 17;
const MESSAGE_COST = 16;

/**
 * What the messages of a file may take in memory, of which an empty node, two bytes of the file, takes 320 bytes. A
 * network of a thousand layers has some ten thousand messages.
 */
class Budget {
  #left = MESSAGE_COST * MAX_MESSAGES;

  /** Errors: WireError. */
  spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0)
      throw new WireError(`at most ${MAX_MESSAGES} messages, or ${MESSAGE_COST} times as many fields,`, 'more');
  }
}

/** A message, by the numbers of its fields. */
class Message {
  readonly #fields = new Map<number, (bigint | Uint8Array)[]>();

  constructor(
    bytes: Uint8Array,
    private readonly budget: Budget,
  ) {
    budget.spend(MESSAGE_COST);
    for (const { number, value } of readFields(bytes)) {
      budget.spend(1);
      const values = this.#fields.get(number);
      if (values === undefined) this.#fields.set(number, [value]);
      else values.push(value);
    }
  }

  /** The numbers of the fields that it has. */
  get numbers(): number[] {
    return [...this.#fields.keys()];
  }

  /** The last message of a field. */
  message(field: number): Message | undefined {
    const bytes = this.bytes(field);
    return bytes === undefined ? undefined : new Message(bytes, this.budget);
  }

  messages(field: number): Message[] {
    return this.#allBytes(field).map((bytes) => new Message(bytes, this.budget));
  }

  bytes(field: number): Uint8Array | undefined {
    return this.#allBytes(field).at(-1);
  }

  text(field: number): string {
    return this.texts(field).at(-1) ?? '';
  }

  texts(field: number): string[] {
    return this.#allBytes(field).map((bytes) => {
      if (!isUtf8(bytes)) throw new WireError(`a text in UTF-8 in field ${field}`, 'other bytes');
      return Buffer.from(bytes).toString('utf8');
    });
  }

  float(field: number): number | undefined {
    const bytes = this.bytes(field);
    return bytes?.byteLength === 4 ? Buffer.from(bytes).readFloatLE(0) : undefined;
  }

  /** The integers of a field, packed or not. */
  varints(field: number): bigint[] {
    return (this.#fields.get(field) ?? []).flatMap((value) =>
      typeof value === 'bigint' ? [value] : readPacked(value),
    );
  }

  integers(field: number): number[] {
    return this.varints(field).map(Number);
  }

  /** The bytes of all values of a field, one after the other. */
  joined(field: number): Uint8Array {
    return Buffer.concat(this.#allBytes(field));
  }

  #allBytes(field: number): Uint8Array[] {
    const values = this.#fields.get(field) ?? [];
    return values.map((value) => {
      if (typeof value === 'bigint') throw new WireError(`bytes in field ${field}`, `the number ${value}`);
      return value;
    });
  }
}
