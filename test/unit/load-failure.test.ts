// Each cause of an addon that does not load, on machines that are described here; test/package/load-failure.test.ts
// brings about those that this machine can have.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { loadNative, packageRoot } from '../../binding';
import { loadFailure, type Host } from '../../lib/native/load-failure';

const host: Host = {
  platform: 'linux',
  arch: 'x64',
  libc: 'glibc 2.36',
  permissions: false,
  readable: () => true,
  mounts: '',
};

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'onespike load-'));
  writeFileSync(join(root, 'package.json'), '{ "name": "onespike" }');
});
afterAll(() => rmSync(root, { recursive: true }));

const message = (cause: Error, changed: Partial<Host> = {}): string => {
  const failure = loadFailure(root, cause, { ...host, ...changed });
  expect(failure).toMatchObject({ code: 'ERR_NO_BACKEND', cause });
  return failure.message;
};
/** What the loader throws for a package without a fitting binary. */
const notFound = new Error('neither a nor b exists');

test('the message names target, expectation, cause and the places tried', () => {
  let cause: unknown;
  try {
    loadNative(root);
  } catch (error) {
    cause = error;
  }
  const lines = message(cause as Error).split('\n');
  expect(lines[0]).toBe(
    `Cannot load the native addon of onespike (linux-x64, glibc 2.36, Node ${process.versions.node}).`,
  );
  const folder = join(root, 'prebuilds', 'linux-x64');
  expect(lines[1]).toBe(`Expected a binary in ${folder} but received none: a part of the package is missing.`);
  expect(lines[2]).toMatch(/^Fix: {3}reinstall the package; .*prebuilds\//);
  expect(lines[3]).toMatch(/^Cause: neither .*onespike\.node nor .*glibc\.node exists/);
  expect(lines.at(-2)).toBe(`Tried: ${join(root, 'build', 'Release', 'onespike.node')} (beside it: no such folder)`);
  expect(lines.at(-1)).toBe(`       ${join(folder, 'onespike.glibc.node')} (beside it: no such folder)`);
});

const needsHeader = Object.assign(new Error('x.node: invalid ELF header'), { code: 'ERR_DLOPEN_FAILED' });

test.each<[string, Error, Partial<Host>, RegExp, RegExp]>([
  ['arm64', notFound, { arch: 'arm64' }, /received linux-arm64\./, /x86-64 machine, or build .*not tested for arm64/],
  [
    'riscv64',
    notFound,
    { arch: 'riscv64' },
    /received linux-riscv64\./,
    /build on this one from a checkout.*native\)$/,
  ],
  ['32 bits', notFound, { arch: 'ia32' }, /received linux-ia32\./, /64-bit build of Node\.js/],
  ['musl', notFound, { libc: 'musl' }, /glibc.*received musl/, /node:22-bookworm-slim instead of node:22-alpine/],
  ['Windows', notFound, { platform: 'win32', libc: '' }, /Expected Linux.*received win32-x64\./, /WSL 2/],
  ['macOS', notFound, { platform: 'darwin', arch: 'arm64', libc: '' }, /received darwin-arm64\./, /Linux container/],
  [
    'an old C library',
    new Error("/lib/libc.so.6: version `GLIBC_2.35' not found (required by onespike.glibc.node)"),
    { libc: 'glibc 2.31' },
    /Expected glibc 2\.35 or newer but received glibc 2\.31\./,
    /newer system/,
  ],
  ['a damaged file', needsHeader, {}, /Expected a .*binary in .*received .*\./, /reinstall/],
  [
    'the permission model',
    Object.assign(new Error('disabled.'), { code: 'ERR_DLOPEN_DISABLED' }),
    { permissions: true },
    /without --allow-addons\./,
    /--allow-addons beside --permission$/,
  ],
  [
    '--no-addons',
    Object.assign(new Error('disabled.'), { code: 'ERR_DLOPEN_DISABLED' }),
    {},
    /one with --no-addons\./,
    /without --no-addons/,
  ],
  [
    'files that may not be read',
    notFound,
    { permissions: true, readable: () => false },
    /Expected a process that may read .*prebuilds but/,
    /--allow-fs-read=.*onespike load-\w+ and --allow-addons/,
  ],
])('%s', (_, cause, changed, received, fix) => {
  const lines = message(cause, changed).split('\n');
  expect(lines[1]).toMatch(received);
  expect(lines[2]).toMatch(fix);
  // Only a checkout can build.
  expect(lines[2]).not.toMatch(/^Fix: {3}npm run/);
});

describe('a place from which no code may run', () => {
  const cause = new Error('onespike.node: failed to map segment from shared object');

  test('is named by its mount, the innermost one', () => {
    const escaped = root.replace(/ /g, '\\040');
    const inner = `tmpfs ${escaped} tmpfs rw,nosuid,noexec,relatime 0 0`;
    const mounts = `/dev/sda / ext4 rw 0 0\ntmpfs ${tmpdir()} tmpfs rw 0 0\n${inner}\ntmpfs ${escaped}x tmpfs rw 0 0\n`;
    const text = message(cause, { mounts });
    expect(text).toContain(`received ${root}, which is mounted with noexec.`);
    expect(text).toContain(`mount -o remount,exec ${root}`);
  });

  test('is not blamed on a mount that allows it', () => {
    const mounts = `tmpfs / tmpfs rw,noexec 0 0\ntmpfs ${tmpdir()} tmpfs rw 0 0`;
    expect(message(cause, { mounts })).toMatch(/received a refusal of the system .*SELinux/);
    expect(message(cause)).toMatch(/received a refusal of the system/);
  });
});

test('a binary that is there and fails is named with its failure', () => {
  const folder = join(root, 'prebuilds', 'linux-x64');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'onespike.glibc.node'), '');
  try {
    expect(message(needsHeader)).toContain(
      `Expected a sound binary in ${folder} but received one that fails: x.node: invalid ELF header.`,
    );
  } finally {
    rmSync(join(root, 'prebuilds'), { recursive: true });
  }
});

test('a bundle is told to leave onespike out', () => {
  const { code, message: text } = loadFailure(undefined, new Error('x'), host);
  expect(code).toBe('ERR_NO_BACKEND');
  for (const part of ['--external:onespike', 'externals', 'ssr.external', 'serverExternalPackages', 'docs/BUNDLERS.md'])
    expect(text).toContain(part);
});

test('a checkout is told to build', () => {
  const checkout = packageRoot()!;
  for (const changed of [{}, { arch: 'arm64' }, { libc: 'musl' }])
    expect(loadFailure(checkout, notFound, { ...host, ...changed }).message).toMatch(/^Fix: {3}npm run build:native$/m);
});

test('a cause that is no Error is shown as it is', () => {
  expect(loadFailure(root, 'odd', host).message).toContain('Cause: odd');
});
