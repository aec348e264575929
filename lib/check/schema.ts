// Whole objects (configurations, descriptions, checkpoints) are checked by a zod schema. The schemas are built from the
// pieces below, which know what they expect, and `parse` turns the first fault into a OneSpikeError with its place.
import { z } from 'zod';

import { OneSpikeError, type ErrorCode } from '../errors';
import { didYouMean, oneOfText, unknownKey } from './names';
import { expected } from './values';

// What a schema answers without being built: another one that follows from it.
const chained = new Set<PropertyKey>(['optional', 'nullable', 'default', 'min', 'max', 'regex']);
const real = Symbol('the schema that was built');

/**
 * A schema that is built when a value is first checked, and zod is loaded then: it is a third of all code that the
 * package could load at its start, and most starts check nothing.
 */
export function deferred<T extends z.ZodType>(build: () => T): T {
  let made: T | undefined;
  const schema = (): T => (made ??= build());
  type Chain = (...args: unknown[]) => T;
  return new Proxy({} as T, {
    get: (_target, key): unknown => {
      if (key === real) return schema();
      return chained.has(key)
        ? (...args: unknown[]) => deferred(() => (Reflect.get(schema(), key) as Chain)(...args))
        : Reflect.get(schema(), key);
    },
  });
}

/** The schema itself, which zod knows the description of. */
export function built<T extends z.ZodType>(schema: T): T {
  return ((schema as { [real]?: T })[real] ?? schema) as T;
}

/** What the JSON schema of a number says beside its type. */
interface Bounds {
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/**
 * A number within the range of float32, in which native code computes; `what` is the expectation of the error message,
 * `bounds` as much of it as a JSON schema can say.
 */
export function numberOf(what: string, accepts: (value: number) => boolean = () => true, bounds: Bounds = {}) {
  return deferred(() =>
    z
      .number({ error: what })
      .refine((value) => Number.isFinite(Math.fround(value)) && accepts(value), { error: what })
      .meta({ description: what, ...bounds }),
  );
}

/** An integer that a double holds exactly. */
export function integerOf(low: number, high = Infinity) {
  const highest = high === Number.MAX_SAFE_INTEGER ? '2^53-1' : high;
  const what = high === Infinity ? `an integer of at least ${low}` : `an integer from ${low} to ${highest}`;
  const maximum = Math.min(high, Number.MAX_SAFE_INTEGER);
  return deferred(() =>
    z
      .number({ error: what })
      .refine((value) => Number.isSafeInteger(value) && value >= low && value <= high, { error: what })
      .meta({ description: what, type: 'integer', minimum: low, maximum }),
  );
}

export const flag = deferred(() => z.boolean({ error: 'true or false' }));
export const finite = numberOf('a finite number');
/** A value that is positive as a double and zero as a float32, like 1e-60, is none of these. */
export const aboveZero = numberOf('a number > 0', (value) => Math.fround(value) > 0, { exclusiveMinimum: 0 });
export const notNegative = numberOf('a number >= 0', (value) => value >= 0, { minimum: 0 });
export const share = numberOf('a number in [0, 1]', (value) => value >= 0 && value <= 1, { minimum: 0, maximum: 1 });
export const below1 = numberOf('a number in [0, 1)', (value) => value >= 0 && Math.fround(value) < 1, {
  minimum: 0,
  exclusiveMaximum: 1,
});

export const text = deferred(() => z.string({ error: 'a non-empty string' }).min(1, { error: 'a non-empty string' }));
/** What a network is called, which may be nothing. */
export const networkName = deferred(() =>
  z.string({ error: 'a name (a string)' }).max(200, { error: 'a name of at most 200 characters' }),
);

export function oneOf<const T extends string>(choices: readonly T[]) {
  return deferred(() => z.enum(choices, { error: oneOfText(choices) }));
}

export function listOf<T extends z.ZodType>(item: T, what: string) {
  return deferred(() => z.array(built(item), { error: what }));
}

/** The number 1, which the formats of files are called by. */
export const formatOne = deferred(() => z.literal(1, { error: '1' }));

/** An object that has these keys alone. */
export function objectOf<T extends z.ZodRawShape>(shape: T, what = 'an object') {
  // The known keys travel in the message, because an issue names only the unknown ones.
  const error = ({ code }: { code?: string }): string =>
    code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : what;
  return deferred(() => {
    const fields = Object.entries(shape).map(([key, field]) => [key, built(field as z.ZodType)]);
    return z.strictObject(Object.fromEntries(fields) as T, { error });
  });
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
 * Errors: `code`, with the place of the first fault; an unknown key is reported before a missing one, which it
 * explains.
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
