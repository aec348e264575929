// Argument checks shared by the public API. Each returns the checked value or throws a OneSpikeError whose message reads
// `Expected <what> for <name> but received <value>`. Typed arrays are recognised across realms (Jest, vm, workers).
import { types } from 'node:util';

import { OneSpikeError, type ErrorCode } from './errors';

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
  if (!Number.isSafeInteger(value) || !inRange(value as number, range))
    throw expected(`an integer${rangeText(range)}`, name, value);
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
  const error = expected(`one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, name, value);
  const near = typeof value === 'string' ? suggest(value, choices) : undefined;
  throw near === undefined ? error : new OneSpikeError('ERR_ARG', `${error.message} (did you mean '${near}'?)`);
}

/** An object (no array, no null); `undefined` counts as `{}`. */
export function checkObject(value: unknown, name: string): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    throw expected('an object', name, value);
  return value as Record<string, unknown>;
}

/** An options object that has no key but the `allowed` ones; an unknown key is answered with the likely spelling. */
export function checkOptions(value: unknown, name: string, allowed: readonly string[]): Record<string, unknown> {
  const object = checkObject(value, name);
  for (const key of Object.keys(object)) {
    if (allowed.includes(key)) continue;
    const near = suggest(key, allowed);
    const hint = near === undefined ? `known: ${allowed.join(', ')}` : `did you mean '${near}'?`;
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected known options for ${name} but received the unknown option '${key}' (${hint})`,
    );
  }
  return object;
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

/** The candidate nearest to `word`, if it is near enough to be a slip of the pen: at most a third of the letters differ. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.floor(best.length / 3)) ? best : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 32) return Infinity; // hopeless; spares the quadratic work for giant keys
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
