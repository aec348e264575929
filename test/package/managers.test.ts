// The tarball installed by the package managers that people have, each in its own layout of node_modules, or without
// one.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { command, commandWith, packPackage, type Environment } from './consumer';
import { programs, resultOf } from './programs';
import { withTools } from './tools';

const folder = mkdtempSync(join(tmpdir(), 'onespike-managers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let tarball: string;
beforeAll(() => {
  tarball = packPackage();
}, 900_000);

const registry = command(folder, 'npm', 'config', 'get', 'registry').trim();

/** A project that depends on the tarball, with the two programs and further files. */
function project(name: string, files: Record<string, string> = {}): string {
  const here = join(folder, name);
  mkdirSync(here);
  const manifest = { name, version: '1.0.0', private: true, dependencies: { onespike: `file:${tarball}` } };
  const all = { 'package.json': JSON.stringify(manifest), 'use.mjs': programs.mjs, 'use.cjs': programs.cjs, ...files };
  for (const [file, text] of Object.entries(all)) writeFileSync(join(here, file), text);
  return here;
}

const yarnSettings = (linker: string): string =>
  [
    `nodeLinker: ${linker}`,
    `npmRegistryServer: ${JSON.stringify(registry)}`,
    `unsafeHttpWhitelist: [${JSON.stringify(new URL(registry).hostname)}]`,
    'enableTelemetry: false',
    'enableImmutableInstalls: false',
    'enableGlobalCache: false',
    '',
  ].join('\n');

/** Runs both programs with `node`, a command and its arguments. */
function expectBoth(here: string, extra: Environment, ...node: [string, ...string[]]): void {
  for (const kind of ['mjs', 'cjs'])
    expect(resultOf(commandWith(extra, here, ...node, `use.${kind}`, `run-${kind}`))).toMatchObject({
      last: 'done',
      predictions: 1,
    });
}

withTools(
  'package managers',
  { pnpm: '12.4.2', '@yarnpkg/cli-dist': '4.18.1', '@oven/bun-linux-x64-baseline': '1.4.4' },
  (tools) => {
    const yarn = join(tools, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js');
    const yarnFolder: Environment = { YARN_GLOBAL_FOLDER: join(folder, 'yarn'), YARN_ENABLE_GLOBAL_CACHE: 'false' };

    test('pnpm', () => {
      const here = project('pnpm');
      command(
        here,
        join(tools, 'node_modules/.bin/pnpm'),
        'install',
        '--ignore-scripts',
        '--store-dir',
        join(folder, 'store'),
      );
      expect(existsSync(join(here, 'node_modules/.pnpm'))).toBe(true);
      expectBoth(here, {}, process.execPath);
    }, 300_000);

    test.each([
      ['node-modules', 'node_modules/onespike'],
      ['pnp', '.pnp.cjs'],
    ])(
      'Yarn with the linker %s',
      (linker, sign) => {
        const here = project(`yarn-${linker}`, { '.yarnrc.yml': yarnSettings(linker), 'yarn.lock': '' });
        commandWith(yarnFolder, here, process.execPath, yarn, 'install');
        expect(existsSync(join(here, sign))).toBe(true);
        expect(existsSync(join(here, 'node_modules/onespike'))).toBe(linker === 'node-modules');
        expectBoth(here, yarnFolder, process.execPath, yarn, 'node');
      },
      300_000,
    );

    test('Bun', () => {
      const here = project('bun', { 'bunfig.toml': `[install]\nregistry = ${JSON.stringify(registry)}\n` });
      const bun = join(tools, 'node_modules/@oven/bun-linux-x64-baseline/bin/bun');
      commandWith({ BUN_INSTALL_CACHE_DIR: join(folder, 'bun-cache') }, here, bun, 'install', '--ignore-scripts');
      expectBoth(here, {}, bun);
    }, 300_000);
  },
);
