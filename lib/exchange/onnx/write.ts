// ONNX models as bytes. Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
import { bytesField, fieldOfEach, integerField, textField, type Pieces } from '../../io/binary/protobuf';

export type Attributes = Readonly<Record<string, number | readonly number[]>>;

export interface OnnxNode {
  op: string;
  inputs: readonly string[];
  output: string;
  attributes: Attributes;
}

/** A constant: 32-bit floats. */
export interface OnnxConstant {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}

/** An input or output; a dimension with a name is free. */
export interface OnnxValue {
  name: string;
  type: 'float' | 'uint8';
  shape: readonly (number | string)[];
}

export interface OnnxGraph {
  name: string;
  nodes: readonly OnnxNode[];
  constants: readonly OnnxConstant[];
  inputs: readonly OnnxValue[];
  outputs: readonly OnnxValue[];
}

/** TensorProto.DataType. */
export const DATA_TYPES = { float: 1, uint8: 2, int32: 6, bool: 9 } as const;
const ATTRIBUTE_TYPES = { int: 2, ints: 7 } as const;
/**
 * The operators of version 13 (2020), the first that has every one of these in its present form; all runtimes of today
 * know them.
 */
const OPSET = 13;
/** The oldest version of the format that this operator set belongs to. */
const IR_VERSION = 7;

/** The bytes of a model; the nodes in order of execution. */
export function encodeModel(graph: OnnxGraph, version: string, metadata: Readonly<Record<string, string>>): Pieces {
  return [
    ...integerField(1, IR_VERSION),
    ...textField(2, 'onespike'),
    ...textField(3, version),
    ...bytesField(7, [
      ...fieldOfEach(1, graph.nodes, node),
      ...textField(2, graph.name),
      ...fieldOfEach(5, graph.constants, constant),
      ...fieldOfEach(11, graph.inputs, value),
      ...fieldOfEach(12, graph.outputs, value),
    ]),
    ...bytesField(8, [...textField(1, ''), ...integerField(2, OPSET)]),
    ...fieldOfEach(14, Object.entries(metadata), (field, [key, text]) =>
      bytesField(field, [...textField(1, key), ...textField(2, text)]),
    ),
  ];
}

/** NodeProto, named after its output. */
function node(field: number, { op, inputs, output, attributes }: OnnxNode): Pieces {
  return bytesField(field, [
    ...fieldOfEach(1, inputs, textField),
    ...textField(2, output),
    ...textField(3, output),
    ...textField(4, op),
    ...fieldOfEach(5, Object.entries(attributes), attribute),
  ]);
}

function attribute(field: number, [name, given]: [string, number | readonly number[]]): Pieces {
  const list = typeof given !== 'number';
  return bytesField(field, [
    ...textField(1, name),
    ...(list ? fieldOfEach(8, given, integerField) : integerField(3, given)),
    ...integerField(20, list ? ATTRIBUTE_TYPES.ints : ATTRIBUTE_TYPES.int),
  ]);
}

/** TensorProto. Raw data is little-endian, as every machine that Node.js runs on. */
function constant(field: number, { name, shape, data }: OnnxConstant): Pieces {
  return bytesField(field, [
    ...fieldOfEach(1, shape, integerField),
    ...integerField(2, DATA_TYPES.float),
    ...textField(8, name),
    ...bytesField(9, [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]),
  ]);
}

/** ValueInfoProto. */
function value(field: number, { name, type, shape }: OnnxValue): Pieces {
  const dimensions = fieldOfEach(1, shape, (at, side) =>
    bytesField(at, typeof side === 'number' ? integerField(1, side) : textField(2, side)),
  );
  const tensor = [...integerField(1, DATA_TYPES[type]), ...bytesField(2, dimensions)];
  return bytesField(field, [...textField(1, name), ...bytesField(2, bytesField(1, tensor))]);
}
