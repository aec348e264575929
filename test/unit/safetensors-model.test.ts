import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isOneSpikeError } from '../../lib/errors';
import { readSafetensors, writeSafetensors, type Tensor } from '../../lib/io/safetensors';
import { resolveNetwork } from '../../lib/model/description';
import { readModel, writeModel } from '../../lib/model/model-file';
import type { FloatTensor } from '../../lib/model/parameters';
import { parameterShapes } from '../../lib/model/shapes';

const network = resolveNetwork({
  input: [1, 6, 6],
  timesteps: 3,
  layers: [{ type: 'conv', out: 2, bias: true }, { type: 'avgpool' }, { type: 'linear', out: 3, output: true }],
});
const parameters = (): Map<string, FloatTensor> =>
  new Map(
    parameterShapes(network).map(({ name, shape }, k) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, { shape, data: Float32Array.from({ length: size }, (_, i) => (size === 1 ? 0.5 : (i - k) / 8)) }];
    }),
  );

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onespike-model-'));
  path = join(folder, 'model.safetensors');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const failing = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

/** The stored file with changes to its tensors or metadata. */
async function rewritten(
  change: (tensors: Map<string, Tensor>, metadata: Record<string, string>) => void,
): Promise<void> {
  await writeModel(path, network, parameters());
  const { tensors, metadata } = await readSafetensors(path);
  change(tensors, metadata);
  await writeSafetensors(path, tensors, metadata);
}

describe('a model file', () => {
  test('comes back with network, parameters and further metadata', async () => {
    await writeModel(path, network, parameters(), { extra: { state: '{"epoch":3}' } });
    const model = await readModel(path);
    expect(model).toEqual({ network, tensors: parameters(), slots: new Map(), extra: { state: '{"epoch":3}' } });
    expect([...model.tensors.keys()]).toEqual(parameterShapes(network).map(({ name }) => name));
  });

  test('carries the state of the optimiser as a checkpoint', async () => {
    const slots = new Map([
      ['slot1.layers.0.bias', { shape: [2], data: Float32Array.of(1, 2) }],
      ['slot0.layers.2.leak', { shape: [], data: Float32Array.of(-3) }],
    ]);
    await writeModel(path, network, parameters(), { slots });
    expect((await readModel(path)).slots).toEqual(slots);
  });

  test.each<[string, (tensors: Map<string, Tensor>, metadata: Record<string, string>) => void, string]>([
    ['no architecture', (_, metadata) => delete metadata['onespike'], "under the key 'onespike'"],
    ['an architecture that is no JSON', (_, metadata) => (metadata['onespike'] = '{'), "JSON under the key 'onespike'"],
    [
      'an architecture that is null',
      (_, metadata) => (metadata['onespike'] = 'null'),
      "an object under the key 'onespike'",
    ],
    ['another format', (_, metadata) => (metadata['onespike'] = '{"format":2}'), 'Expected format 1'],
    [
      'an impossible architecture',
      (_, metadata) => (metadata['onespike'] = JSON.stringify({ format: 1, network: { ...network, timesteps: 0 } })),
      'for timesteps but received 0',
    ],
    [
      'a tensor too few',
      (tensors) => tensors.delete('layers.0.bias'),
      "Expected a tensor 'layers.0.bias' of shape [2]",
    ],
    [
      'a tensor too many',
      (tensors) => tensors.set('layers.1.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }),
      "received 'layers.1.weight'",
    ],
    [
      'another shape',
      (tensors) => tensors.set('layers.0.bias', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, 2) }),
      "Expected shape [2] of 'layers.0.bias'",
    ],
    [
      'another type',
      (tensors) => tensors.set('layers.0.bias', { dtype: 'F64', shape: [2], data: Float64Array.of(1, 2) }),
      "Expected type F32, F16, BF16, F8_E4M3 or F8_E5M2 of 'layers.0.bias' for",
    ],
    [
      'flags for weights',
      (tensors) => tensors.set('layers.0.bias', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) }),
      "of 'layers.0.bias'",
    ],
    [
      'a half that is no number',
      (tensors) => tensors.set('layers.0.bias', { dtype: 'F16', shape: [2], data: Uint16Array.of(0, 0x7e00) }),
      'received NaN at element 1',
    ],
    [
      'a weight that is not a number',
      (tensors) => (tensors.get('layers.2.weight')!.data[4] = NaN),
      'received NaN at element 4',
    ],
    [
      'an infinite bias',
      (tensors) => (tensors.get('layers.0.bias')!.data[1] = -Infinity),
      'received -Infinity at element 1',
    ],
    [
      'a zero threshold',
      (tensors) => (tensors.get('layers.0.threshold')!.data[0] = 0),
      "a number > 0 as 'layers.0.threshold'",
    ],
    [
      'a leak above one',
      (tensors) => (tensors.get('layers.2.leak')!.data[0] = 1.5),
      "a number from 0 to 1 as 'layers.2.leak'",
    ],
    [
      'a slot of another shape',
      (tensors) => tensors.set('slot0.layers.0.bias', { dtype: 'F32', shape: [3], data: new Float32Array(3) }),
      "shape [2] of 'slot0.layers.0.bias'",
    ],
    [
      'a slot of nothing',
      (tensors) => tensors.set('slot3.layers.0.bias', { dtype: 'F32', shape: [2], data: new Float32Array(2) }),
      "'slot3.layers.0.bias'",
    ],
  ])('is refused with %s', async (_, change, message) => {
    await rewritten(change as Parameters<typeof rewritten>[0]);
    await expect(readModel(path)).rejects.toEqual(failing('ERR_FORMAT', message));
    await expect(readModel(path)).rejects.toEqual(failing('ERR_FORMAT', path));
  });

  test.each<[string, (map: Map<string, FloatTensor>) => void, string]>([
    ['a parameter too few', (map) => map.delete('layers.0.leak'), "'layers.0.leak'"],
    [
      'a parameter too many',
      (map) => map.set('layers.9.leak', { shape: [], data: Float32Array.of(1) }),
      "'layers.9.leak'",
    ],
    ['a number that is not finite', (map) => (map.get('layers.0.weight')!.data[0] = NaN), 'received NaN'],
  ])('is not written with %s', async (_, change, message) => {
    const map = parameters();
    change(map);
    await expect(writeModel(join(folder, 'never'), network, map)).rejects.toEqual(failing('ERR_ARG', message));
    await expect(readModel(join(folder, 'never'))).rejects.toEqual(failing('ERR_IO', 'never'));
  });
});

describe('weights of other programs', () => {
  test('are read from small floats, exactly', async () => {
    await rewritten((tensors) => {
      tensors.set('layers.0.bias', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x3555, 0xbc00) });
      tensors.set('layers.0.leak', { dtype: 'BF16', shape: [], data: Uint16Array.of(0x3f00) });
      tensors.set('layers.0.threshold', { dtype: 'F8_E4M3', shape: [], data: Uint8Array.of(0x39) });
      tensors.set('layers.2.leak', { dtype: 'F8_E5M2', shape: [], data: Uint8Array.of(0x34) });
    });
    const { tensors } = await readModel(path);
    expect([...tensors.get('layers.0.bias')!.data]).toEqual([1365 / 4096, -1]);
    expect(tensors.get('layers.0.leak')!.data).toEqual(Float32Array.of(0.5));
    expect(tensors.get('layers.0.threshold')!.data).toEqual(Float32Array.of(1.125));
    expect(tensors.get('layers.2.leak')!.data).toEqual(Float32Array.of(0.25));
    expect(tensors.get('layers.0.weight')).toEqual(parameters().get('layers.0.weight'));
  });

  test('without an architecture belong to the network that is described', async () => {
    await rewritten((_, metadata) => {
      delete metadata['onespike'];
      metadata['format'] = 'pt';
    });
    await expect(readModel(path)).rejects.toEqual(failing('ERR_FORMAT', 'init=FILE'));
    const model = await readModel(path, network);
    expect(model).toEqual({ network, tensors: parameters(), slots: new Map(), extra: { format: 'pt' } });
    const wider = resolveNetwork({ ...network, layers: [{ type: 'linear', out: 3, output: true }] });
    await expect(readModel(path, wider)).rejects.toEqual(failing('ERR_FORMAT', "shape [3, 36] of 'layers.0.weight'"));
  });

  test('an architecture of the file goes before the one that is described', async () => {
    await writeModel(path, network, parameters());
    const other = resolveNetwork({ ...network, timesteps: 7 });
    expect((await readModel(path, other)).network).toEqual(network);
  });
});

test('240 damaged model files each load whole or fail with a code', async () => {
  await writeModel(path, network, parameters(), { extra: { note: 'x' } });
  const whole = readFileSync(path);
  const header = 8 + Number(whole.readBigUInt64LE());
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const damages: [string, () => Buffer][] = [
    ['cut', () => whole.subarray(0, random(whole.length))],
    ['grown', () => Buffer.concat([whole, Buffer.alloc(1 + random(64))])],
    ['length field', () => flipped(random(8))],
    ['header bit', () => flipped(8 + random(header - 8))],
    ['header byte', () => set(8 + random(header - 8), random(256))],
    ['data bit', () => flipped(header + random(whole.length - header))],
    [
      'many bytes',
      () => {
        let bytes = Buffer.from(whole);
        for (let i = 0; i < 20; i++) bytes = set(random(whole.length), random(256), bytes);
        return bytes;
      },
    ],
    [
      'block moved',
      () => {
        const bytes = Buffer.from(whole);
        bytes.copy(bytes, random(whole.length), random(whole.length));
        return bytes;
      },
    ],
  ];
  function set(at: number, value: number, source: Uint8Array = whole): Buffer<ArrayBuffer> {
    const bytes = Buffer.from(source);
    bytes[at] = value;
    return bytes;
  }
  function flipped(at: number): Buffer<ArrayBuffer> {
    return set(at, whole[at]! ^ (1 << random(8)));
  }
  const outcomes = { loaded: 0, ERR_FORMAT: 0 };
  for (let i = 0; i < 240; i++) {
    const [kind, damage] = damages[i % damages.length]!;
    const bytes = damage();
    writeFileSync(path, bytes);
    try {
      const model = await readModel(path);
      // Every bit that the reader accepts has to leave a model that is valid in itself.
      await writeModel(join(folder, 'again'), model.network, model.tensors, { slots: model.slots, extra: model.extra });
      outcomes.loaded++;
      if (!bytes.equals(whole))
        expect(['header bit', 'header byte', 'data bit', 'many bytes', 'block moved']).toContain(kind);
    } catch (error) {
      if (!isOneSpikeError(error) || error.code !== 'ERR_FORMAT')
        throw new Error(`damage ${i} (${kind})`, { cause: error });
      expect(error.message).toContain(path);
      outcomes.ERR_FORMAT++;
    }
  }
  expect(outcomes.loaded + outcomes.ERR_FORMAT).toBe(240);
  expect(outcomes.ERR_FORMAT).toBeGreaterThan(120);
  expect(outcomes.loaded).toBeGreaterThan(0);
});
