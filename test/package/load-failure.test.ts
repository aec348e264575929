// The installed package where its binary does not load, by causes that this machine can have: each error names the
// cause and a cure.
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { commandWith, installPackage, type Consumer, type Environment } from './consumer';

let consumer: Consumer;
beforeAll(() => {
  consumer = installPackage();
  writeFileSync(join(consumer.folder, 'load.cjs'), load);
}, 900_000);
afterAll(() => consumer?.remove());

const load = `
  try { console.log(require('onespike').backendInfo().backend === undefined ? 'strange' : 'loaded'); }
  catch (error) { console.log(error.code); console.log(error.message); }`;

/** Code and message of the failure, of a program in `folder` beside its node_modules. */
function failure(extra: Environment = {}, args: string[] = [], folder = consumer.folder): string {
  return commandWith(extra, folder, process.execPath, ...args, join(folder, 'load.cjs'));
}

/** A copy of the project in `folder`, on whatever file system that is. */
function copyTo(folder: string): void {
  cpSync(join(consumer.folder, 'node_modules'), join(folder, 'node_modules'), { recursive: true });
  copyFileSync(join(consumer.folder, 'load.cjs'), join(folder, 'load.cjs'));
}

test('where nothing is wrong it loads', () => {
  expect(failure()).toBe('loaded\n');
});

test.each<[string, Environment, RegExp]>([
  ['musl', { LIBC: 'musl' }, /received musl.*\nFix: {3}use a system with glibc/],
  ['arm64', { npm_config_arch: 'arm64' }, /received linux-arm64\.\nFix: {3}use an x86-64 machine, or build/],
  ['Windows', { npm_config_platform: 'win32' }, /received win32-x64\.\nFix: {3}run it in WSL 2/],
])('%s', (_, extra, message) => {
  const text = failure(extra);
  expect(text).toMatch(/^ERR_NO_BACKEND\n/);
  expect(text).toMatch(message);
  expect(text).not.toContain('build:native)\n');
});

test('the permission model', () => {
  const [major] = process.versions.node.split('.').map(Number);
  const permission = major! >= 23 ? '--permission' : '--experimental-permission';
  const text = failure({}, [permission, '--allow-fs-read=*']);
  expect(text).toMatch(/^ERR_NO_BACKEND\n/);
  expect(text).toMatch(/without --allow-addons\.\nFix: {3}start Node\.js with --allow-addons beside --permission\n/);
  expect(failure({}, [permission, '--allow-fs-read=*', '--allow-addons'])).toBe('loaded\n');
});

test('--no-addons', () => {
  expect(failure({}, ['--no-addons'])).toMatch(/one with --no-addons\.\nFix: {3}start Node\.js without --no-addons/);
});

test('a binary that lost its contents, and a package that lost its binary', () => {
  const folder = join(consumer.folder, 'part');
  mkdirSync(folder);
  copyTo(folder);
  const binary = join(folder, 'node_modules/onespike/prebuilds/linux-x64/onespike.glibc.node');
  truncateSync(binary, 20);
  expect(failure({}, [], folder)).toMatch(
    /Expected a sound binary in .*received one that fails: .*\nFix: {3}reinstall/,
  );
  rmSync(join(folder, 'node_modules/onespike/prebuilds'), { recursive: true });
  expect(failure({}, [], folder)).toMatch(/received none: a part of the package is missing\.\nFix: {3}reinstall/);
});

/** An empty file system that is mounted with noexec, or the reason why there is none. */
function mountNoexec(): { folder: string } | { reason: string } {
  const folder = mkdtempSync(join(tmpdir(), 'onespike no exec-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noexec,size=64m', 'tmpfs', folder], { stdio: 'pipe' });
    return { folder };
  } catch (error) {
    rmSync(folder, { recursive: true });
    return { reason: (error as Error).message.trim().split('\n').at(-1)! };
  }
}

describe('a file system from which no code may run', () => {
  const mounted = mountNoexec();
  if ('reason' in mounted) {
    console.log(`skipped: no file system can be mounted here: ${mounted.reason}`);
    test.skip(`skipped: ${mounted.reason}`, () => undefined);
    return;
  }
  const { folder } = mounted;
  afterAll(() => {
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  });

  test('is named', () => {
    copyTo(folder);
    const text = failure({}, [], folder);
    expect(text).toContain(`but received ${folder}, which is mounted with noexec.`);
    expect(text).toContain(`mount -o remount,exec ${folder}`);
  });
});

test.each([
  ['processors', "Object.defineProperty(process, 'arch', { value: 'arm64' });"],
  // npm looks into ldd, or into the report of the process.
  [
    'C libraries',
    `const fs = require('fs');
     const read = fs.readFileSync;
     fs.readFileSync = (file, ...rest) => (file === '/usr/bin/ldd' ? 'musl libc' : read(file, ...rest));
     const report = { header: {}, sharedObjects: ['/lib/ld-musl-x86_64.so.1'] };
     process.report.getReport = () => report;`,
  ],
])('npm refuses to install it on other %s', (what, change) => {
  const folder = join(consumer.folder, `other-${what.length}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'hook.cjs'), change);
  writeFileSync(join(folder, 'package.json'), '{ "name": "elsewhere", "version": "1.0.0" }');
  const extra = { NODE_OPTIONS: `--require=${join(folder, 'hook.cjs')}` };
  const install = (): string =>
    commandWith(extra, folder, 'npm', 'install', '--offline', '--no-audit', consumer.tarball);
  expect(install).toThrow(/EBADPLATFORM/);
});
