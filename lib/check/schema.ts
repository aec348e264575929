// Whole objects (configurations, descriptions, checkpoints) are checked by a zod schema. The schemas are built from the pieces
// below, which know what they expect, and `parse` turns the first fault into a OneSpikeError with its place.
import { z } from 'zod';

import { OneSpikeError, type ErrorCode } from '../errors';
import { didYouMean, oneOfText, unknownKey } from './names';
import { expected } from './values';

/** A number within the range of float32, in which native code computes; `what` is the expectation of the error message. */
export function numberOf(what: string, accepts: (value: number) => boolean = () => true) {
  return z
    .number({ error: what })
    .refine((value) => Number.isFinite(Math.fround(value)) && accepts(value), { error: what });
}

/** An integer that a double holds exactly. */
export function integerOf(low: number, high = Infinity) {
  const highest = high === Number.MAX_SAFE_INTEGER ? '2^53-1' : high;
  const what = high === Infinity ? `an integer of at least ${low}` : `an integer from ${low} to ${highest}`;
  return z
    .number({ error: what })
    .refine((value) => Number.isSafeInteger(value) && value >= low && value <= high, { error: what });
}

export const flag = z.boolean({ error: 'true or false' });
export const finite = numberOf('a finite number');
/** A value that is positive as a double and zero as a float32, like 1e-60, is none of these. */
export const aboveZero = numberOf('a number > 0', (value) => Math.fround(value) > 0);
export const notNegative = numberOf('a number >= 0', (value) => value >= 0);
export const share = numberOf('a number in [0, 1]', (value) => value >= 0 && value <= 1);
export const below1 = numberOf('a number in [0, 1)', (value) => value >= 0 && Math.fround(value) < 1);

export const text = z.string({ error: 'a non-empty string' }).min(1, { error: 'a non-empty string' });
/** What a network is called, which may be nothing. */
export const networkName = z
  .string({ error: 'a name (a string)' })
  .max(200, { error: 'a name of at most 200 characters' });

export function oneOf<const T extends string>(choices: readonly T[]) {
  return z.enum(choices, { error: oneOfText(choices) });
}

export function listOf<T extends z.ZodType>(item: T, what: string) {
  return z.array(item, { error: what });
}

/** An object that has these keys alone. */
export function objectOf<T extends z.ZodRawShape>(shape: T, what = 'an object') {
  // The known keys travel in the message, because an issue names only the unknown ones.
  const error = ({ code }: { code?: string }): string =>
    code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : what;
  return z.strictObject(shape, { error });
}

/** `layers[3].kernel`; `root` when the path is empty. */
function pathName(path: readonly PropertyKey[], root: string): string {
  const name = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return name === '' ? root : name.replace(/^\./, '');
}

/** What lies at the end of `path` in plain objects and lists; undefined where it leads nowhere. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

/**
 * Checks `value`, called `root` in messages, against a schema of the pieces above.
 * Errors: `code`, with the place of the first fault; an unknown key is reported before a missing one, which it explains.
 */
export function parse<T>(schema: z.ZodType<T>, value: unknown, root: string, code: ErrorCode = 'ERR_ARG'): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  const issue = issues.find((candidate) => candidate.code === 'unrecognized_keys') ?? issues[0]!;
  const where = pathName(issue.path, root);
  if (issue.code === 'unrecognized_keys') throw unknownKey(where, issue.keys[0] ?? '', issue.message.split(' '), code);
  const received = valueAt(value, issue.path);
  const { message } = expected(issue.message, where, received);
  const hint = issue.code === 'invalid_value' ? didYouMean(received, issue.values.map(String)) : '';
  throw new OneSpikeError(code, message + hint);
}
