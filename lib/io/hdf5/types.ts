// Types of elements, and arrays of them from bytes.
import { floatTable } from '../small-floats';
import type { Cursor, HdfBytes } from './bytes';
import type { Message } from './headers';
import type { HeapTexts } from './heap';
import type { HdfArray } from './values';

/** A type of elements. */
export type ElementType =
  | { kind: 'integer'; size: number; signed: boolean; big: boolean }
  | { kind: 'float'; size: number; big: boolean }
  | { kind: 'text'; size: number }
  | { kind: 'texts'; size: 16 };

/** The type that a message describes. Errors: ERR_FORMAT, also for what is not read. */
export function typeOf(file: HdfBytes, { at, end }: Message): ElementType {
  const cursor = file.cursor(at, end);
  const head = cursor.u8();
  checkVersion(file, at, head >> 4);
  const [bits, sign] = [cursor.u8(), cursor.u8()];
  cursor.skip(1);
  const size = cursor.u32();
  const big = (bits & 1) === 1;
  switch (head & 15) {
    case 0: {
      const [offset, precision] = [cursor.u16(), cursor.u16()];
      if (![1, 2, 4, 8].includes(size) || offset !== 0 || precision !== 8 * size)
        throw file.unread(at, `an integer of ${precision} bits`);
      return { kind: 'integer', size, signed: (bits & 8) !== 0, big };
    }
    case 1: {
      const parts = [cursor.u16(), cursor.u16(), cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8(), cursor.u32()];
      const known = FLOATS[size];
      if (bits & 0x40 || known === undefined || [...parts, sign].some((part, i) => part !== known[i]))
        throw file.unread(at, 'a float that is not of IEEE 754, or of another size');
      return { kind: 'float', size, big };
    }
    case 3:
      // Of elements without bytes there could be any number.
      if (size === 0) throw file.damaged(at, 'texts of at least one byte', '0');
      return { kind: 'text', size };
    case 8:
      // An enumeration, as NumPy's booleans become: its integers count.
      return typeOf(file, { type: 0, at: cursor.at, end });
    case 9:
      if ((bits & 15) !== 1 || size !== 16) throw file.unread(at, 'elements of varying length that are no texts');
      checkCharacter(file, cursor);
      return { kind: 'texts', size: 16 };
    default:
      throw file.unread(at, `elements of class ${head & 15}`);
  }
}

/** Versions of HDF5 1.0 to 2.0. */
function checkVersion(file: HdfBytes, at: number, version: number): void {
  if (version < 1 || version > 5) throw file.unread(at, `a type of version ${version}`);
}

/** The type of which texts of any length are made: characters or integers of one byte. Errors: ERR_FORMAT. */
function checkCharacter(file: HdfBytes, cursor: Cursor): void {
  const { at } = cursor;
  const head = cursor.u8();
  checkVersion(file, at, head >> 4);
  cursor.skip(3);
  const kind = head & 15;
  const byte = cursor.u32() === 1 && (kind === 3 || (kind === 0 && cursor.u16() === 0 && cursor.u16() === 8));
  if (!byte) throw file.unread(at, 'texts whose characters are no bytes');
}

/** Offset, bits, and the places and sizes of exponent and mantissa, the bias, and the place of the sign. */
const FLOATS: Record<number, readonly number[]> = {
  2: [0, 16, 10, 5, 0, 10, 15, 15],
  4: [0, 32, 23, 8, 0, 23, 127, 31],
  8: [0, 64, 52, 11, 0, 52, 1023, 63],
};

/** The bytes that an element takes as a number of JavaScript, or as a short text. */
export const heldBytes = (type: ElementType): number =>
  type.kind === 'integer' ? 8 : type.kind === 'float' ? (type.size === 4 ? 4 : 8) : 32 + type.size;

/** An array of so many elements. Errors: ERR_FORMAT for texts that are not there. */
export function arrayOf(texts: HeapTexts, type: ElementType, shape: number[], bytes: Buffer, count: number): HdfArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const each = <T>(read: (at: number) => T): T[] => Array.from({ length: count }, (_, i) => read(i * type.size));
  switch (type.kind) {
    case 'texts':
      return { shape, data: each((at) => texts.text(bytes, at)) };
    case 'text':
      return { shape, data: each((at) => texts.within(bytes.subarray(at, at + type.size))) };
    case 'float': {
      const little = !type.big;
      if (type.size === 4) {
        const floats = new Float32Array(count);
        for (let i = 0; i < count; i++) floats[i] = view.getFloat32(4 * i, little);
        return { shape, data: floats };
      }
      const floats = new Float64Array(count);
      const halves = floatTable('F16');
      for (let i = 0; i < count; i++)
        floats[i] = type.size === 8 ? view.getFloat64(8 * i, little) : halves[view.getUint16(2 * i, little)]!;
      return { shape, data: floats };
    }
    case 'integer': {
      const integers = new BigInt64Array(count);
      for (let i = 0; i < count; i++) integers[i] = integer(view, i * type.size, type);
      return { shape, data: integers };
    }
  }
}

function integer(
  view: DataView,
  at: number,
  { size, signed, big }: { size: number; signed: boolean; big: boolean },
): bigint {
  if (size === 8) return signed ? view.getBigInt64(at, !big) : view.getBigUint64(at, !big);
  const value = size === 4 ? view.getUint32(at, !big) : size === 2 ? view.getUint16(at, !big) : view.getUint8(at);
  return signed ? BigInt.asIntN(8 * size, BigInt(value)) : BigInt(value);
}
