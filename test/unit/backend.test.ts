import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadNative, packageRoot } from '../../binding';
import { backendInfo, createDataset, loadFailure, resolveBackend } from '../../lib/backend';
import { isOneSpikeError, OneSpikeError, toOneSpikeError } from '../../lib/errors';
import { outcome } from '../lifecycle/helpers';

test('what this machine offers', () => {
  const info = backendInfo();
  const version = (require('../../package.json') as { version: string }).version;
  expect(info).toMatchObject({ version, backend: 'cpu', binaryPath: expect.stringMatching(/\.node$/) });
  expect(info.device).toContain(info.simdTarget);
  expect(info.hardwareThreads).toBeGreaterThan(0);
});

test('backends by name', () => {
  expect(resolveBackend()).toBe(backendInfo().backend);
  expect(resolveBackend('cpu')).toBe('cpu');
  const reason = backendInfo().cudaReason;
  if (reason === '') expect(resolveBackend('cuda')).toBe('cuda');
  else expect(() => resolveBackend('cuda')).toThrow(expect.objectContaining({ code: 'ERR_NO_BACKEND', message: expect.stringContaining(reason) }));
  expect(() => resolveBackend('coda')).toThrow(/did you mean 'cuda'/);
});

test('a load failure says target, paths, cause and fix', () => {
  const empty = mkdtempSync(join(tmpdir(), 'onespike-'));
  try {
    writeFileSync(join(empty, 'package.json'), '{ "name": "onespike" }');
    let failure: OneSpikeError | undefined;
    try {
      loadNative(empty);
    } catch (error) {
      failure = loadFailure(empty, error);
    }
    expect(failure).toMatchObject({ code: 'ERR_NO_BACKEND', cause: expect.anything() });
    for (const part of [`${process.platform}-${process.arch}`, join(empty, 'build', 'Release'), join(empty, 'prebuilds'), 'Cause: ', 'reinstall']) expect(failure!.message).toContain(part);
    expect(loadFailure(packageRoot(), new Error('x')).message).toContain('npm run build:native');
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test('errors by code, whoever made them', () => {
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
  const code = (...args: unknown[]): Promise<string> => outcome(() => (createDataset as (...all: unknown[]) => unknown)(...args));
  expect(await code(new Uint8Array(24), Int32Array.of(0, 1), [3, 2, 2])).toBe('ok');
  expect(await code(new Uint8Array(24), null, [3, 2, 2])).toBe('ok');
  expect(await code(new Uint8Array(23), null, [3, 2, 2])).toBe('ERR_SHAPE');
  expect(await code(new Uint8Array(24), Int32Array.of(0), [3, 2, 2])).toBe('ERR_SHAPE');
  expect(await code(new Uint8Array(24), Int32Array.of(0, -1), [3, 2, 2])).toBe('ERR_ARG');
  expect(await code(new Uint8Array(24), null, [3, 2])).toBe('ERR_ARG');
  expect(await code(new Int8Array(24), null, [3, 2, 2])).toBe('ERR_ARG');
});
