// Checks of single arguments, for what is called often or cannot be described by a schema (typed arrays, signals). Each
// returns the checked value or throws a OneSpikeError whose message reads `Expected <what> for <name> but received
// <value>`. Typed arrays are recognised across realms (Jest, vm, workers).
import { types } from 'node:util';

import { OneSpikeError, type ErrorCode } from '../errors';
import { didYouMean, oneOfText, unknownKey } from './names';

/** A short, safe description of any value for an error message: never throws, never long. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 40 ? `'${value.slice(0, 40)}…' (string of ${value.length})` : `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (types.isProxy(value)) return 'a Proxy';
  try {
    if (ArrayBuffer.isView(value))
      return `${typedArrayName(value)} of ${(value as Uint8Array).length ?? value.byteLength}`;
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `an instance of ${name}` : 'an object';
  } catch {
    return 'an object';
  }
}

/** The error of every check: `Expected <what> for <name> but received <value>`. */
export function expected(what: string, name: string, value: unknown, code: ErrorCode = 'ERR_ARG'): OneSpikeError {
  return new OneSpikeError(code, `Expected ${what} for ${name} but received ${describeValue(value)}`);
}

export interface Range {
  min?: number;
  max?: number;
  /** The limits themselves are not allowed. */
  exclusive?: boolean;
}

function rangeText({ min, max, exclusive = false }: Range): string {
  if (min !== undefined && max !== undefined)
    return exclusive ? ` between ${min} and ${max} (exclusive)` : ` from ${min} to ${max}`;
  if (min !== undefined) return exclusive ? ` > ${min}` : ` >= ${min}`;
  if (max !== undefined) return exclusive ? ` < ${max}` : ` <= ${max}`;
  return '';
}

function inRange(value: number, { min = -Infinity, max = Infinity, exclusive = false }: Range): boolean {
  return exclusive ? value > min && value < max : value >= min && value <= max;
}

/** A finite number within `range`. */
export function checkNumber(value: unknown, name: string, range: Range = {}): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || !inRange(value, range)) {
    throw expected(`a finite number${rangeText(range)}`, name, value);
  }
  return value;
}

/** A safe integer within `range`. */
export function checkInteger(value: unknown, name: string, range: Range = {}): number {
  if (!Number.isSafeInteger(value) || !inRange(value as number, range)) {
    const tooLarge = Number.isInteger(value) && !Number.isSafeInteger(value);
    const { MIN_SAFE_INTEGER: min, MAX_SAFE_INTEGER: max } = Number;
    throw expected(`an integer${rangeText(tooLarge ? { min, max, ...range } : range)}`, name, value);
  }
  return value as number;
}

export function checkBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw expected('true or false', name, value);
  return value;
}

/** A string that is not empty. */
export function checkString(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw expected('a non-empty string', name, value);
  return value;
}

/** One of a list of names; a near miss is answered with the likely spelling. */
export function checkOneOf<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  if (typeof value === 'string' && (choices as readonly string[]).includes(value)) return value as T;
  const { message } = expected(oneOfText(choices), name, value);
  throw new OneSpikeError('ERR_ARG', message + didYouMean(value, choices));
}

/** An object with keys: no array, no null, no typed array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** An object as JSON has them, of any realm: no map, no date, no instance of a class that names itself otherwise. */
export function isPlainObject(value: unknown): value is { [key: string]: unknown } {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** What is left of an object without its undefined values. */
export function defined<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** An object (see `isObject`); `undefined` counts as `{}`. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (value === undefined) return {};
  if (!isObject(value)) throw expected('an object', name, value);
  return value;
}

/**
 * An options object that has no key but the `allowed` ones; an unknown key is answered with the likely spelling. Lists
 * of names are tied to their interface by `as const satisfies readonly (keyof Options)[]`, and then only these keys can
 * be read from the result.
 */
export function checkOptions<const K extends string>(
  value: unknown,
  name: string,
  allowed: readonly K[],
): { [key in K]?: unknown } {
  const object = checkObject(value, name);
  for (const key of Object.keys(object))
    if (!(allowed as readonly string[]).includes(key)) throw unknownKey(name, key, allowed);
  return object as { [key in K]?: unknown };
}

/** An AbortSignal or undefined. Any object with the signal's interface will do (polyfills, other realms). */
export function checkSignal(value: unknown, name: string): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function'
  ) {
    throw expected('an AbortSignal', name, value);
  }
  return signal as AbortSignal;
}

export interface TypedArrays {
  Uint8Array: Uint8Array;
  Int32Array: Int32Array;
  Uint32Array: Uint32Array;
  Float32Array: Float32Array;
}

function typedArrayName(value: ArrayBufferView): string {
  // Reads the internal slot, so that a subclass (Buffer) or another realm gives the same answer.
  const tag = Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype),
    Symbol.toStringTag,
  )?.get?.call(value);
  return typeof tag === 'string' ? tag : 'DataView';
}

/** A typed array of exactly this kind (a Buffer counts as Uint8Array) on a plain ArrayBuffer: attached, not shared, not
 *  resizable, because native code reads it and another thread or a resize could pull the memory away. */
export function checkTypedArray<K extends keyof TypedArrays>(
  value: unknown,
  name: string,
  kind: K,
  length?: number,
): TypedArrays[K] {
  if (!ArrayBuffer.isView(value) || types.isProxy(value) || typedArrayName(value) !== kind)
    throw expected(`a ${kind}`, name, value);
  const array = value as TypedArrays[K];
  const refuse = (what: string, received: string): OneSpikeError =>
    new OneSpikeError('ERR_ARG', `Expected ${what} for ${name} but received one ${received}`);
  if (types.isSharedArrayBuffer(array.buffer)) throw refuse(`an unshared ${kind}`, 'on a SharedArrayBuffer');
  if ((array.buffer as { resizable?: boolean }).resizable === true)
    throw refuse(`a ${kind} of fixed size`, 'on a resizable ArrayBuffer');
  if (array.length === 0 && isDetached(array.buffer as ArrayBuffer))
    throw refuse(`an attached ${kind}`, 'that was detached');
  if (length !== undefined && array.length !== length)
    throw expected(`a ${kind} of ${length}`, name, value, 'ERR_SHAPE');
  return array;
}

function isDetached(buffer: ArrayBuffer): boolean {
  try {
    new Uint8Array(buffer); // the only test that Node 20 has: a view of a detached buffer cannot be made
    return false;
  } catch {
    return true;
  }
}
