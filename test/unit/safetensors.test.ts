import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { duplicateKey } from '../../lib/io/json-keys';
import { readSafetensors, toFloat32, writeSafetensors, type Tensor } from '../../lib/io/safetensors';

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onespike-safetensors-'));
  path = join(folder, 'file.safetensors');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const failing = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

/** A file with this header, as text or as a value, and so many bytes of data. */
function store(header: unknown, dataBytes = 0, length?: bigint): void {
  const text = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([head, text, Buffer.alloc(dataBytes)]));
}

const tensors = (): Map<string, Tensor> =>
  new Map<string, Tensor>([
    ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['layers.0.weight', { dtype: 'F32', shape: [2, 1, 1, 2], data: Float32Array.of(1.5, -0, 3e38, 1e-45) }],
    ['scalar', { dtype: 'F32', shape: [], data: Float32Array.of(0.25) }],
    ['labels', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
    ['doubles', { dtype: 'F64', shape: [1, 2], data: Float64Array.of(Math.PI, NaN) }],
    ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
    ['__proto__', { dtype: 'I8', shape: [1], data: Int8Array.of(-5) }],
    ['shorts', { dtype: 'U16', shape: [1], data: Uint16Array.of(65535) }],
    ['halves', { dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xfbff, 1) }],
    ['brains', { dtype: 'BF16', shape: [1], data: Uint16Array.of(0x4049) }],
    ['flags', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) }],
    ['eighths', { dtype: 'F8_E4M3', shape: [1], data: Uint8Array.of(0x7e) }],
    ['wide eighths', { dtype: 'F8_E5M2', shape: [1], data: Uint8Array.of(0x7b) }],
  ]);

describe('safetensors', () => {
  test('come back as they were written, aligned to their elements', async () => {
    await writeSafetensors(path, tensors(), { note: 'größer', onespike: '{}' });
    const back = await readSafetensors(path);
    expect(back.metadata).toEqual({ note: 'größer', onespike: '{}' });
    expect(new Map([...back.tensors].sort())).toEqual(new Map([...tensors()].sort()));
    const bytes = readFileSync(path);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
      string,
      { dtype: string; data_offsets: [number, number] }
    >;
    expect(start % 8).toBe(0);
    for (const name of ['doubles', 'labels']) expect(header[name]!.data_offsets[0] % 8).toBe(0);
    expect(header['layers.0.weight']!.data_offsets[0] % 4).toBe(0);
  });

  test('are written from views of larger buffers, and without metadata or tensors', async () => {
    const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    await writeSafetensors(path, new Map([['a', { dtype: 'F32', shape: [2], data }]]));
    expect([...(await readSafetensors(path)).tensors.get('a')!.data]).toEqual([1, 2]);
    await writeSafetensors(path, new Map());
    expect(await readSafetensors(path)).toEqual({ metadata: {}, tensors: new Map() });
  });

  test.each<[string, Tensor, string]>([
    [
      'another array type',
      { dtype: 'F32', shape: [1], data: Float64Array.of(1) },
      'Expected a Float32Array (F32) for t.data',
    ],
    [
      'too few elements',
      { dtype: 'F32', shape: [2], data: Float32Array.of(1) },
      'Expected 2 elements (the shape [2]) for t.data',
    ],
    ['a negative size', { dtype: 'F32', shape: [-1], data: Float32Array.of(1) }, 'for t.shape'],
    ['an unknown type', { dtype: 'F8' as 'F32', shape: [1], data: Float32Array.of(1) }, 'for t.dtype'],
  ])('are not written with %s', async (_, tensor, message) => {
    await expect(writeSafetensors(join(folder, 'never'), new Map([['t', tensor]]))).rejects.toEqual(
      failing('ERR_ARG', message),
    );
    await expect(readSafetensors(join(folder, 'never'))).rejects.toEqual(
      failing('ERR_IO', 'no such file or folder (ENOENT)'),
    );
  });

  test('are not written under the name of the metadata', async () => {
    const tensor: Tensor = { dtype: 'U8', shape: [1], data: Uint8Array.of(1) };
    await expect(writeSafetensors(path, new Map([['__metadata__', tensor]]))).rejects.toEqual(
      failing('ERR_ARG', 'tensor name'),
    );
    await expect(writeSafetensors(path, new Map(), { a: 3 as unknown as string })).rejects.toEqual(
      failing('ERR_ARG', 'metadata.a'),
    );
  });

  const f32 = (shape: unknown, begin: unknown, end: unknown, more: object = {}): object => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
    ...more,
  });

  test.each<[string, unknown, number, string]>([
    ['JSON that breaks off', '{"a": ', 0, 'a header in JSON'],
    ['an array', '[1, 2]', 0, "begins with '{'"],
    ['a leading space', ' {}', 0, "begins with '{'"],
    ['nothing', '', 0, "begins with '{'"],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0, 'a header in UTF-8'],
    ['a tensor that is a number', { a: 3 }, 0, "of tensor 'a' for"],
    ['a tensor that is null', { a: null }, 0, "of tensor 'a' for"],
    ['an unknown dtype', { a: { dtype: 'F4', shape: [2], data_offsets: [0, 4] } }, 4, "as dtype of tensor 'a'"],
    ['an inherited dtype', { a: { dtype: 'toString', shape: [2], data_offsets: [0, 4] } }, 4, "as dtype of tensor 'a'"],
    ['no shape', { a: { dtype: 'F32', data_offsets: [0, 4] } }, 4, "as shape of tensor 'a'"],
    ['a negative size', { a: f32([-1, -1], 0, 4) }, 4, 'as shape'],
    ['a fractional size', { a: f32([0.5, 2], 0, 4) }, 4, 'as shape'],
    ['an infinite size', '{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}}', 4, 'as shape'],
    ['one offset', { a: { dtype: 'F32', shape: [1], data_offsets: [0] } }, 4, 'as data_offsets'],
    ['offsets as text', { a: f32([1], '0', '4') }, 4, 'as data_offsets'],
    ['offsets the wrong way round', { a: f32([1], 4, 0) }, 4, 'Expected 4 bytes (its shape) between the offsets'],
    ['a shape of other size', { a: f32([2], 0, 4) }, 4, 'Expected 8 bytes (its shape)'],
    ['a huge shape', { a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4, '(its shape)'],
    ['a huge tensor', { a: f32([2 ** 40], 0, 2 ** 42) }, 4, "tensor 'a' to end within 4 bytes"],
    ['a further key', { a: f32([1], 0, 4, { strides: [1] }) }, 4, 'no other key'],
    ['an overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, 'an overlap from 4'],
    ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, 'a hole up to 8'],
    ['a hole at the start', { a: f32([1], 4, 8) }, 8, 'a hole up to 4'],
    ['trailing bytes', { a: f32([1], 0, 4) }, 5, 'Expected the end of the file'],
    ['data without tensors', {}, 1, 'but received 1 more bytes'],
    ['too few data', { a: f32([1], 0, 4) }, 3, 'within 3 bytes'],
    [
      'equal names',
      '{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      0,
      "'a' twice",
    ],
    ['equal keys', '{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', 0, "'dtype' twice"],
    ['metadata that are a list', { __metadata__: ['x'] }, 0, '__metadata__'],
    ['metadata that are numbers', { __metadata__: { format: 1 } }, 0, '__metadata__.format'],
    ['deep nesting', `${'{"a":'.repeat(20000)}1${'}'.repeat(20000)}`, 0, "of tensor 'a'"],
  ])('are refused with %s in the header', async (_, header, data, message) => {
    store(header, data);
    await expect(readSafetensors(path)).rejects.toEqual(failing('ERR_FORMAT', message));
    await expect(readSafetensors(path)).rejects.toEqual(failing('ERR_FORMAT', `${path} at byte `));
  });

  test.each([[2n ** 64n - 1n], [2n ** 63n], [100_000_001n], [90_000_000n], [3n]])(
    'are refused with a header length of %i in a file of two bytes more',
    async (length) => {
      store('{}', 0, length);
      await expect(readSafetensors(path)).rejects.toEqual(failing('ERR_FORMAT', `at byte 0 but received ${length}`));
    },
  );

  test.each<[string, string, string]>([
    [
      'PyTorch',
      'PK\x03\x04\0\0\x08\x08\0\0\0\0',
      'a zip archive, as PyTorch writes them; save its tensors by safetensors.torch',
    ],
    ['PyTorch, an entry without flags', 'PK\x03\x04\0\0\0\0\0\0', 'a zip archive'],
    ['an index', '{"weight_map": {"a": "model-1.safetensors"}}', 'JSON, such as the index of a model in several files'],
    ['Keras', '\x89HDF\r\n\x1a\n\0\0', 'an HDF5 file'],
    ['an old PyTorch', '\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.', 'a Python pickle; save its tensors'],
    ['a tar archive', `${'model.safetensors'.padEnd(257, '\0')}ustar\0`, 'a tar archive'],
  ])('are told from files of other formats: %s', async (_, bytes, kind) => {
    writeFileSync(path, Buffer.from(bytes, 'latin1'));
    await expect(readSafetensors(path)).rejects.toEqual(
      failing('ERR_FORMAT', `Expected a safetensors file at ${path} but received ${kind}`),
    );
  });

  test('are refused when shorter than their first field', async () => {
    for (let size = 0; size < 8; size++) {
      writeFileSync(path, Buffer.alloc(size));
      await expect(readSafetensors(path)).rejects.toEqual(failing('ERR_FORMAT', `a file of ${size} bytes`));
    }
  });

  test('are never read from what is no file, and a pipe does not hang', async () => {
    await expect(readSafetensors(folder)).rejects.toEqual(failing('ERR_IO', 'not a regular file'));
    await expect(readSafetensors(join(path, 'below'))).rejects.toEqual(failing('ERR_IO', 'ENOTDIR'));
    await expect(readSafetensors('')).rejects.toEqual(failing('ERR_ARG', 'path'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(readSafetensors(pipe)).rejects.toEqual(failing('ERR_IO', 'not a regular file'));
  });

  test('that claim more than memory are refused without allocating it', async () => {
    // A sparse file: its size backs the claim, the disk does not.
    const size = 2 ** 43;
    store({ a: { dtype: 'U8', shape: [size], data_offsets: [0, size] } });
    truncateSync(path, readFileSync(path).length + size);
    await expect(readSafetensors(path)).rejects.toEqual(failing('ERR_OOM', path));
  });
});

describe('small floats', () => {
  const numbers = (dtype: 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2', ...bits: number[]): number[] => {
    const data = dtype.startsWith('F8') ? Uint8Array.from(bits) : Uint16Array.from(bits);
    return [...toFloat32({ dtype, shape: [bits.length], data })];
  };

  test('have the numbers of their standards', () => {
    expect(numbers('F16', 0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x0001)).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      1023 * 2 ** -24,
      2 ** -24,
    ]);
    expect(numbers('F16', 0x7c00, 0xfc00, 0x7c01, 0xffff, 0x8000)).toEqual([Infinity, -Infinity, NaN, NaN, -0]);
    expect(numbers('BF16', 0x3f80, 0xc040, 0x7f7f, 0x0001, 0x7f80, 0x7fc0)).toEqual([
      1,
      -3,
      255 * 2 ** 120,
      2 ** -133,
      Infinity,
      NaN,
    ]);
    expect(numbers('F8_E5M2', 0x3c, 0x7b, 0x01, 0x7c, 0xfc, 0x7d)).toEqual([
      1,
      57344,
      2 ** -16,
      Infinity,
      -Infinity,
      NaN,
    ]);
    expect(numbers('F8_E4M3', 0x38, 0x7e, 0xfe, 0x01, 0x7f, 0xff)).toEqual([1, 448, -448, 2 ** -9, NaN, NaN]);
  });

  test('BF16 is the upper half of a float32, for every pattern', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const floats = new Float32Array(Uint32Array.from(bits, (each) => each * 65_536).buffer);
    expect(toFloat32({ dtype: 'BF16', shape: [65_536], data: bits })).toEqual(floats);
  });

  test('F16 has every pattern of a sign, an exponent and a mantissa, in order', () => {
    const positive = numbers('F16', ...Array.from({ length: 0x7c01 }, (_, i) => i));
    positive.forEach((value, i) => {
      if (i > 0 && !(value > positive[i - 1]!))
        throw new Error(`pattern ${i} is ${value}, not above ${positive[i - 1]}`);
      // Within one exponent all steps are the same.
      if (i > 1 && i % 1024 > 1 && i < 0x7c00)
        expect(value - positive[i - 1]!).toBe(positive[i - 1]! - positive[i - 2]!);
    });
  });

  test('are converted from their own types alone', () => {
    const f32: Tensor = { dtype: 'F32', shape: [1], data: Float32Array.of(1.5) };
    expect(toFloat32(f32)).toEqual(f32.data);
    expect(toFloat32(f32)).not.toBe(f32.data);
    for (const tensor of tensors().values())
      if (!/^(F32|B?F16|F8)/.test(tensor.dtype))
        expect(() => toFloat32(tensor)).toThrow(failing('ERR_ARG', 'tensor.dtype'));
    expect(() => toFloat32({ dtype: 'F16', shape: [2], data: Uint16Array.of(1) })).toThrow(
      failing('ERR_ARG', '2 elements'),
    );
  });
});

test('duplicateKey tells objects apart and sees through escapes', () => {
  expect(duplicateKey('{"a":{"a":1},"b":[{"a":1},{"a":"a"}],"c":"a","d":["a","a"]}')).toBeUndefined();
  expect(duplicateKey('{"a\\"":1,"b":{"x":1,"y":[],"x":2}}')).toBe('x');
  expect(duplicateKey('{"\\u0061":1,"a":2}')).toBe('a');
});
