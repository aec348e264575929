import { z } from 'zod';

import { defined, isObject, isPlainObject } from '../../lib/check';
import {
  aboveZero,
  below1,
  finite,
  flag,
  integerOf,
  listOf,
  numberOf,
  objectOf,
  oneOf,
  parse,
  text,
  valueAt,
} from '../../lib/check/schema';

const schema = objectOf({
  kind: oneOf(['square', 'round']),
  sides: listOf(objectOf({ length: aboveZero, name: text.optional() }), 'a list of sides'),
  format: z.literal(1, { error: '1' }).optional(),
});
const good = { kind: 'square', sides: [{ length: 1 }, { length: 2, name: 'b' }] };

function refusal(value: unknown, code?: 'ERR_FORMAT'): string {
  try {
    parse(schema, value, 'the thing', code);
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
  return 'taken';
}

test('what fits comes back as it is', () => {
  expect(parse(schema, good, 'the thing')).toEqual(good);
});

test.each([
  [5, 'Expected an object for the thing but received 5'],
  [null, 'Expected an object for the thing but received null'],
  [
    { ...good, kind: 'sqare' },
    "Expected one of 'square', 'round' for kind but received 'sqare' (did you mean 'square'?)",
  ],
  [{ ...good, kind: 7 }, "Expected one of 'square', 'round' for kind but received 7"],
  [{ ...good, kind: undefined }, "Expected one of 'square', 'round' for kind but received undefined"],
  [{ ...good, sides: {} }, 'Expected a list of sides for sides but received an object'],
  [{ ...good, sides: [{ length: 1 }, { length: 0 }] }, 'Expected a number > 0 for sides[1].length but received 0'],
  [{ ...good, sides: [{ length: 1, name: '' }] }, "Expected a non-empty string for sides[0].name but received ''"],
  [{ ...good, sides: [7] }, 'Expected an object for sides[0] but received 7'],
  [{ ...good, format: 2 }, 'Expected 1 for format but received 2'],
  // An unknown key explains the missing one, so it comes first.
  [
    { kind: 'square', side: [] },
    "Expected known keys for the thing but received the unknown key 'side' (did you mean 'sides'?)",
  ],
  [
    { ...good, sides: [{ length: 1, colour: 'red' }] },
    "Expected known keys for sides[0] but received the unknown key 'colour' (known: length, name)",
  ],
])('the first fault is named with its place: %j', (value, message) => {
  expect(refusal(value)).toBe(`ERR_ARG: ${message}`);
});

test('the code is the caller’s', () => {
  expect(refusal(5, 'ERR_FORMAT')).toMatch(/^ERR_FORMAT/);
  expect(refusal({ ...good, x: 1 }, 'ERR_FORMAT')).toMatch(/^ERR_FORMAT/);
});

test.each([
  [integerOf(0), [0, 7, 2 ** 53 - 1], [-1, 1.5, 2 ** 53, NaN, '1', Infinity]],
  [integerOf(1, 3), [1, 3], [0, 4]],
  [finite, [0, -1e30, 1e38], [1e39, NaN, -Infinity, '0', null]],
  [aboveZero, [1e-30, 3], [0, 1e-60, -1]],
  [below1, [0, 0.5], [1, 0.99999999999, -0.1]],
  [numberOf('even', (value) => value % 2 === 0), [2], [3, 1e300]],
  [flag, [true, false], [0, 'true', undefined]],
])('numbers survive the rounding to float32 within their range (%#)', (piece, taken, refused) => {
  for (const value of taken) expect(piece.safeParse(value).success).toBe(true);
  for (const value of refused) expect(piece.safeParse(value).success).toBe(false);
});

test('objects', () => {
  expect([{}, new Date(), [], null, new Uint8Array(1), new Map()].map(isObject)).toEqual([
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
  expect([{}, Object.create(null), new Map(), [], null].map(isPlainObject)).toEqual([true, true, false, false, false]);
  expect(defined({ a: undefined, b: null, c: 0 })).toEqual({ b: null, c: 0 });
  expect(valueAt({ a: [{ b: 1 }] }, ['a', 0, 'b'])).toBe(1);
  expect(valueAt({ a: null }, ['a', 'b', 'c'])).toBeUndefined();
});
