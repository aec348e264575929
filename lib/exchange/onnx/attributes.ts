// The attributes that operations may have, as onnx's own checker demands: one that is misspelt or of another type would
// count as its default value.
import { OneSpikeError } from '../../errors';

/** Types of attributes (AttributeProto.AttributeType), and the field of the message that holds the value of each. */
const VALUE_FIELDS: Readonly<Record<number, number>> = {
  1: 2,
  2: 3,
  3: 4,
  4: 5,
  5: 6,
  6: 7,
  7: 8,
  8: 9,
  9: 10,
  10: 11,
  11: 22,
  12: 23,
  13: 14,
  14: 15,
};
const [FLOAT, INT, STRING, TENSOR, FLOATS, INTS, STRINGS, SPARSE] = [1, 2, 3, 4, 6, 7, 8, 11];
const valueFields = Object.values(VALUE_FIELDS);
/** Types whose values must be there: writers of proto3 leave out zeros, empty texts and empty lists. */
const isMessage = (type: number): boolean => [4, 5, 11, 13].includes(type);

const windows = { auto_pad: STRING, dilations: INTS, kernel_shape: INTS, pads: INTS, strides: INTS };
/** The attributes of the operations that are read, of opset 7 and later, with their types. */
const ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Conv: { ...windows, group: INT },
  Gemm: { alpha: FLOAT, beta: FLOAT, transA: INT, transB: INT },
  MatMul: {},
  Add: {},
  Sub: {},
  Mul: {},
  Div: {},
  Relu: {},
  BatchNormalization: { epsilon: FLOAT, momentum: FLOAT, training_mode: INT, spatial: INT },
  AveragePool: { ...windows, ceil_mode: INT, count_include_pad: INT },
  MaxPool: { ...windows, ceil_mode: INT, storage_order: INT },
  GlobalAveragePool: {},
  Flatten: { axis: INT },
  Reshape: { allowzero: INT },
  Cast: { to: INT, saturate: INT, round_mode: STRING },
  Dropout: { ratio: FLOAT, seed: INT },
  Identity: {},
  Constant: {
    value: TENSOR,
    value_float: FLOAT,
    value_floats: FLOATS,
    value_int: INT,
    value_ints: INTS,
    value_string: STRING,
    value_strings: STRINGS,
    sparse_value: SPARSE,
  },
};

/** The value of a number or a text of a type whose field is not there. */
export const absentValue = (type: number | undefined): { float?: number; integer?: number; text?: string } =>
  type === FLOAT ? { float: 0 } : type === INT ? { integer: 0 } : type === STRING ? { text: '' } : {};

/** What an attribute says of itself: its type, and which fields it has. */
export interface Claimed {
  type: number | undefined;
  fields: readonly number[];
}

/**
 * Errors: ERR_FORMAT for attributes that an operation does not have, and for those whose value is not of the type that
 * they claim, or that the operation demands.
 */
export function checkAttributes(op: string, node: string, claimed: ReadonlyMap<string, Claimed>, path: string): void {
  const known = Object.hasOwn(ATTRIBUTES, op) ? ATTRIBUTES[op] : undefined;
  for (const [name, { type, fields }] of claimed) {
    const fault = (what: string, received: string): OneSpikeError =>
      new OneSpikeError('ERR_FORMAT', `Expected ${what} for ${op} '${node}' of ${path} but received ${received}`);
    if (known !== undefined && !Object.hasOwn(known, name))
      throw fault(`attributes among ${Object.keys(known).join(', ') || 'none'}`, `'${name}'`);
    const values = fields.filter((field) => valueFields.includes(field));
    const right = type !== undefined && values.every((field) => field === VALUE_FIELDS[type]);
    if (!right || (values.length === 0 && isMessage(type)) || (known !== undefined && known[name] !== type))
      throw fault(`a value of the type of the attribute '${name}'`, `one of type ${type ?? 'unknown'}`);
  }
}
