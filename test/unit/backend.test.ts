import { backendInfo, resolveBackend } from '../../lib/native/devices';
import { createDataset } from '../../lib/native/dataset';
import { isOneSpikeError, OneSpikeError, toOneSpikeError } from '../../lib/errors';
import { outcome } from '../lifecycle/helpers';

test('what this machine offers', () => {
  const info = backendInfo();
  const version = (require('../../package.json') as { version: string }).version;
  const gpu = info.devices.find(({ usable }) => usable);
  expect(info).toMatchObject({
    version,
    backend: gpu === undefined ? 'cpu' : 'cuda',
    binaryCuda: expect.any(Boolean),
    binaryPath: expect.stringMatching(/\.node$/),
  });
  expect(info.processor).toContain(gpu?.name ?? info.simdTarget);
  expect(info.device).toBe(gpu?.device ?? null);
  expect(info.hardwareThreads).toBeGreaterThan(0);
  // Without a usable GPU there is a reason, in words.
  expect(info.cudaReason).toEqual(gpu === undefined ? expect.stringMatching(/\w+ \w+ \w+/) : '');
  if (!info.binaryCuda) expect(info.cudaReason).toBe('this binary was built without CUDA');
});

test('what a GPU says of itself', () => {
  const { devices } = backendInfo();
  if (devices.length === 0) console.log(`no GPU was tested: ${backendInfo().cudaReason}`);
  devices.forEach((gpu, device) => {
    expect(gpu).toMatchObject({
      device,
      name: expect.stringMatching(/./),
      computeCapability: expect.stringMatching(/^\d+\.\d$/),
      driver: expect.stringMatching(/^\d+\.\d$/),
    });
    expect(gpu.memoryBytes).toBeGreaterThan(2 ** 30);
    if (gpu.usable) expect(gpu.freeBytes).toBeGreaterThan(0);
    if (gpu.usable) expect(gpu.graphs).toBe(gpu.graphsReason === '');
  });
});

test('backends by name', () => {
  const info = backendInfo();
  expect(resolveBackend()).toEqual({
    backend: info.backend,
    device: info.backend === 'cpu' ? null : expect.any(Number),
    processor: info.processor,
  });
  const cpu = { backend: 'cpu', device: null, processor: expect.stringContaining(info.simdTarget) };
  expect(resolveBackend('cpu')).toEqual(cpu);
  expect(resolveBackend('cpu', 3)).toEqual(cpu);
  const reason = info.cudaReason;
  if (reason === '') expect(resolveBackend('cuda')).toMatchObject({ backend: 'cuda', processor: info.processor });
  else
    expect(() => resolveBackend('cuda')).toThrow(
      expect.objectContaining({ code: 'ERR_NO_BACKEND', message: expect.stringContaining(reason) }),
    );
  // No machine has as many.
  expect(() => resolveBackend('cuda', 1023)).toThrow(expect.objectContaining({ code: 'ERR_NO_BACKEND' }));
  expect(resolveBackend('auto', 1023)).toEqual(cpu);
  for (const device of [-1, 0.5, 1024, '0', null])
    expect(() => resolveBackend('auto', device)).toThrow(expect.objectContaining({ code: 'ERR_ARG' }));
  expect(() => resolveBackend('coda')).toThrow(/did you mean 'cuda'/);
});

test('errors by code, whatever created them', () => {
  const native = Object.assign(new Error('too large'), { code: 'ERR_SHAPE' });
  expect(toOneSpikeError(native)).toMatchObject({ name: 'OneSpikeError', code: 'ERR_SHAPE', message: 'too large' });
  const strange = new TypeError('odd');
  expect(toOneSpikeError(strange)).toMatchObject({ code: 'ERR_STATE', cause: strange });
  const own = new OneSpikeError('ERR_IO', 'x');
  expect(toOneSpikeError(own)).toBe(own);
  expect(own.stack).toMatch(/^OneSpikeError: x\n/);
  expect(isOneSpikeError(native)).toBe(true);
  expect(isOneSpikeError(Object.assign(new Error(), { code: 'ENOENT' }))).toBe(false);
  expect(isOneSpikeError(undefined)).toBe(false);
});

test('data sets are checked', async () => {
  const code = (...args: unknown[]): Promise<string> =>
    outcome(() => (createDataset as (...all: unknown[]) => unknown)(...args));
  expect(await code(new Uint8Array(24), Int32Array.of(0, 1), [3, 2, 2])).toBe('ok');
  expect(await code(new Uint8Array(24), null, [3, 2, 2])).toBe('ok');
  expect(await code(new Uint8Array(23), null, [3, 2, 2])).toBe('ERR_SHAPE');
  expect(await code(new Uint8Array(24), Int32Array.of(0), [3, 2, 2])).toBe('ERR_SHAPE');
  expect(await code(new Uint8Array(24), Int32Array.of(0, -1), [3, 2, 2])).toBe('ERR_ARG');
  expect(await code(new Uint8Array(24), null, [3, 2])).toBe('ERR_ARG');
  expect(await code(new Int8Array(24), null, [3, 2, 2])).toBe('ERR_ARG');
});
