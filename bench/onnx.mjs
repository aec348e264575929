// Writes ONNX files: as much of protobuf and of the schema as a feed-forward network needs, by hand.
//
// A message is a list of pieces (Uint8Array) that follow one another, so that weights of many megabytes are never copied.
// Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
import { closeSync, openSync, writeSync } from 'node:fs';

/**
 * @typedef {Uint8Array[]} Pieces
 * @typedef {Record<string, number | number[]>} Attributes
 * @typedef {{ op: string, inputs: readonly string[], output: string, attributes?: Attributes }} Node
 * @typedef {{ name: string, shape: readonly number[] }} Value
 * @typedef {Value & { data: Float32Array }} Weights
 */

const FLOAT = 1; // TensorProto.DataType
const attributeTypes = { int: 2, ints: 7 }; // AttributeProto.AttributeType
const opset = 13;
// The oldest version of the format that this operator set belongs to.
const irVersion = 7;

/**
 * A non-negative integer in groups of seven bits, the lowest first.
 *
 * @param {number} value
 */
export function varint(value) {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`Expected a non-negative integer for a varint but received ${value}`);
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  bytes.push(value);
  return Uint8Array.from(bytes);
}

/** @param {Pieces} pieces */
const size = (pieces) => pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
/** @type {(field: number, value: number) => Pieces} */
const number = (field, value) => [varint(field * 8), varint(value)];
/** @type {(field: number, pieces: Pieces) => Pieces} */
const nested = (field, pieces) => [varint(field * 8 + 2), varint(size(pieces)), ...pieces];
/** @type {(field: number, value: string) => Pieces} */
const text = (field, value) => nested(field, [new TextEncoder().encode(value)]);
/**
 * @template T
 * @param {number} field
 * @param {readonly T[]} list
 * @param {(field: number, entry: T) => Pieces} encode
 * @returns {Pieces}
 */
const all = (field, list, encode) => list.flatMap((entry) => encode(field, entry));

/**
 * An attribute: an integer or a list of integers.
 *
 * @param {number} field
 * @param {[string, number | number[]]} entry
 */
function attribute(field, [name, value]) {
  const list = Array.isArray(value);
  return nested(field, [
    ...text(1, name),
    ...(list ? all(8, value, number) : number(3, value)),
    ...number(20, list ? attributeTypes.ints : attributeTypes.int),
  ]);
}

/**
 * NodeProto, named after its output.
 *
 * @param {number} field
 * @param {Node} node
 */
function node(field, { op, inputs, output, attributes = {} }) {
  return nested(field, [
    ...all(1, inputs, text),
    ...text(2, output),
    ...text(3, output),
    ...text(4, op),
    ...all(5, Object.entries(attributes), attribute),
  ]);
}

/**
 * TensorProto. Raw data is little-endian, as every machine that Node.js runs on.
 *
 * @param {number} field
 * @param {Weights} weights
 */
function tensor(field, { name, shape, data }) {
  const count = shape.reduce((product, side) => product * side, 1);
  if (data.length !== count)
    throw new Error(`Expected ${count} values for ${name} of shape ${shape.join('x')} but received ${data.length}`);
  return nested(field, [
    ...all(1, shape, number),
    ...number(2, FLOAT),
    ...text(8, name),
    ...nested(9, [new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]),
  ]);
}

/**
 * ValueInfoProto of a float tensor.
 *
 * @param {number} field
 * @param {Value} value
 */
function value(field, { name, shape }) {
  const dimensions = all(1, shape, (at, side) => nested(at, number(1, side)));
  const tensorType = [...number(1, FLOAT), ...nested(2, dimensions)];
  return nested(field, [...text(1, name), ...nested(2, nested(1, tensorType))]);
}

/**
 * ModelProto of a graph, as pieces; the nodes in order of execution.
 *
 * @param {{ name: string, nodes: readonly Node[], inputs: readonly Value[], outputs: readonly Value[], weights: readonly Weights[] }} graph
 */
export function model({ name, nodes, inputs, outputs, weights }) {
  const graph = [
    ...all(1, nodes, node),
    ...text(2, name),
    ...all(5, weights, tensor),
    ...all(11, inputs, value),
    ...all(12, outputs, value),
  ];
  return [
    ...number(1, irVersion),
    ...text(2, 'onespike'),
    ...nested(7, graph),
    ...nested(8, [...text(1, ''), ...number(2, opset)]),
  ];
}

/**
 * Writes the pieces of a message one after the other.
 *
 * @param {string} path
 * @param {Pieces} pieces
 */
export function writePieces(path, pieces) {
  const file = openSync(path, 'w');
  try {
    for (const piece of pieces) for (let done = 0; done < piece.byteLength; ) done += writeSync(file, piece, done);
  } finally {
    closeSync(file);
  }
}
