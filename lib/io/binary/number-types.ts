// How numbers are stored in files of other programs.

/** Numbers of one type: the bytes of each, and how it is read. */
export interface NumberType {
  size: number;
  read: (view: DataView, at: number, little: boolean) => number;
}

/** By the codes of NumPy: the kind, and the bytes of a number. Integers of 8 bytes are rounded to 53 bits. */
export const NUMBER_TYPES = {
  i1: { size: 1, read: (view, at) => view.getInt8(at) },
  u1: { size: 1, read: (view, at) => view.getUint8(at) },
  i2: { size: 2, read: (view, at, little) => view.getInt16(at, little) },
  u2: { size: 2, read: (view, at, little) => view.getUint16(at, little) },
  i4: { size: 4, read: (view, at, little) => view.getInt32(at, little) },
  u4: { size: 4, read: (view, at, little) => view.getUint32(at, little) },
  i8: { size: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { size: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  f4: { size: 4, read: (view, at, little) => view.getFloat32(at, little) },
  f8: { size: 8, read: (view, at, little) => view.getFloat64(at, little) },
} as const satisfies Record<string, NumberType>;
