import { runInNewContext } from 'node:vm';

import {
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkTypedArray,
  describeValue,
  suggest,
} from '../../lib/check';

const message = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
  return 'ok';
};

test.each([
  [undefined, 'undefined'],
  [null, 'null'],
  [1.5, '1.5'],
  ['a', "'a'"],
  [5n, '5n'],
  [() => 1, 'a function'],
  [Symbol('s'), 'Symbol(s)'],
  [[1, 2], 'an array of 2'],
  [{}, 'an object'],
  [new Uint8Array(3), 'Uint8Array of 3'],
  [Buffer.alloc(2), 'Uint8Array of 2'],
  [new Date(), 'an instance of Date'],
  [new DataView(new ArrayBuffer(4)), 'DataView of 4'],
  [new Proxy({}, {}), 'a Proxy'],
  ['x'.repeat(90), `'${'x'.repeat(40)}…' (string of 90)`],
  [
    {
      get constructor() {
        throw new Error('no');
      },
    },
    'an object',
  ],
])('describeValue %#', (value, text) => {
  expect(describeValue(value)).toBe(text);
});

test('numbers', () => {
  expect(message(() => checkInteger(1.5, 'n', { min: 0, max: 3 }))).toBe(
    'ERR_ARG: Expected an integer from 0 to 3 for n but received 1.5',
  );
  expect(message(() => checkInteger(2 ** 60, 'n', { min: 1 }))).toBe(
    'ERR_ARG: Expected an integer from 1 to 9007199254740991 for n but received 1152921504606847000',
  );
  expect(message(() => checkInteger('1', 'n', { min: 0 }))).toBe(
    "ERR_ARG: Expected an integer >= 0 for n but received '1'",
  );
  expect(message(() => checkNumber(0, 'n', { min: 0, exclusive: true }))).toBe(
    'ERR_ARG: Expected a finite number > 0 for n but received 0',
  );
  expect(message(() => checkNumber(NaN, 'n'))).toBe('ERR_ARG: Expected a finite number for n but received NaN');
  expect(checkNumber(0.5, 'n', { min: 0, max: 1 })).toBe(0.5);
});

test('names and options', () => {
  expect(message(() => checkOneOf('tringle', 's', ['triangle', 'arctan']))).toBe(
    "ERR_ARG: Expected one of 'triangle', 'arctan' for s but received 'tringle' (did you mean 'triangle'?)",
  );
  expect(message(() => checkOptions({ sed: 1 }, 'options', ['seed']))).toBe(
    "ERR_ARG: Expected known keys for options but received the unknown key 'sed' (did you mean 'seed'?)",
  );
  expect(message(() => checkOptions({ zzz: 1 }, 'options', ['seed', 'threads']))).toMatch(/known: seed, threads/);
  expect(checkOptions(undefined, 'options', [])).toEqual({});
  for (const wrong of [null, [], 3, 'x', new Uint8Array(1)])
    expect(message(() => checkObject(wrong, 'o'))).toMatch(/^ERR_ARG: Expected an object/);
  expect(suggest('wieght', ['weight', 'bias'])).toBe('weight');
  expect(suggest('sdg', ['sgd', 'adam'])).toBe('sgd');
  expect(suggest('colour', ['weight', 'bias'])).toBeUndefined();
  expect(suggest('x'.repeat(1e6), ['weight'])).toBeUndefined();
});

test('signals', () => {
  const { signal } = new AbortController();
  expect(checkSignal(signal, 'signal')).toBe(signal);
  expect(checkSignal(undefined, 'signal')).toBeUndefined();
  for (const wrong of [null, {}, 1, { aborted: false }])
    expect(message(() => checkSignal(wrong, 'signal'))).toMatch(/^ERR_ARG: Expected an AbortSignal/);
});

test('typed arrays, also of another realm', () => {
  expect(checkTypedArray(Buffer.alloc(3), 'a', 'Uint8Array', 3)).toHaveLength(3);
  expect(checkTypedArray(runInNewContext('new Float32Array(2)'), 'a', 'Float32Array')).toHaveLength(2);
  const gone = new Uint8Array(4);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  expect(message(() => checkTypedArray(gone, 'a', 'Uint8Array'))).toBe(
    'ERR_ARG: Expected an attached Uint8Array for a but received one that was detached',
  );
  expect(message(() => checkTypedArray(new Uint8Array(new SharedArrayBuffer(1)), 'a', 'Uint8Array'))).toMatch(
    /ERR_ARG.*unshared/,
  );
  expect(message(() => checkTypedArray(new Uint8Array(2), 'a', 'Uint8Array', 3))).toBe(
    'ERR_SHAPE: Expected a Uint8Array of 3 for a but received Uint8Array of 2',
  );
  expect(message(() => checkTypedArray(new Int8Array(2), 'a', 'Uint8Array'))).toMatch(/received Int8Array of 2/);
  expect(message(() => checkTypedArray(new Proxy(new Uint8Array(2), {}), 'a', 'Uint8Array'))).toMatch(
    /received a Proxy/,
  );
});
