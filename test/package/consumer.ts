// A package as its users meet it: packed, and installed in an empty folder with no build/ and no install script.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { madeOnce } from '../helpers/jest/made-once';

export const root = join(__dirname, '..', '..');

export type Environment = Record<string, string>;

/**
 * The environment without what the `npm test` above us tells its children, which would point npm back at this checkout.
 */
function environment(extra: Environment): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([key]) =>
      !/^npm_(package|lifecycle|command)|^npm_config_(local_|global_)?prefix$|^INIT_CWD$|^JEST_|^NODE_ENV$/.test(key),
  );
  return { ...Object.fromEntries(kept), NODE_OPTIONS: '', ...extra };
}

/** Runs a command and answers its stdout; a failure's message holds all that it printed. */
export function command(cwd: string, file: string, ...args: string[]): string {
  return commandWith({}, cwd, file, ...args);
}

/** The same with further variables in the environment. */
export function commandWith(extra: Environment, cwd: string, file: string, ...args: string[]): string {
  try {
    return execFileSync(file, args, {
      cwd,
      env: environment(extra),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    const { stdout, stderr, message } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${message}\n${stdout ?? ''}\n${stderr ?? ''}`);
  }
}

/** npm's arguments for an installation that runs nothing and asks the registry only for what its cache lacks. */
export const quietInstall = [
  'install',
  '--ignore-scripts',
  '--prefer-offline',
  '--no-audit',
  '--no-fund',
  '--no-package-lock',
  '--fetch-retries=1',
];

/** The path of the packed checkout, with a binary made from its present sources. */
export function packPackage(): string {
  const folder = madeOnce('packed', (here) => {
    command(root, process.execPath, 'scripts/package/prebuild.mjs', '--reuse');
    commandWith({ ONESPIKE_PACK: 'test' }, root, 'npm', 'pack', '--silent', '--pack-destination', here);
  });
  return join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz'))!);
}

export interface Consumer {
  folder: string; // holds node_modules/onespike
  installed: string; // node_modules/onespike
  tarball: string;
  node(code: string, kind?: 'cjs' | 'mjs'): string; // runs a script there, answers its stdout
  remove(): void;
}

/** A new folder below `parent` in which npm has installed the packed checkout. */
export function installPackage(parent = tmpdir()): Consumer {
  const tarball = packPackage();
  const installed = madeOnce('installed', (here) => {
    writeFileSync(join(here, 'package.json'), JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
    command(here, 'npm', ...quietInstall, tarball);
  });
  const folder = mkdtempSync(join(parent, 'onespike-package-'));
  cpSync(installed, folder, { recursive: true, verbatimSymlinks: true });
  let scripts = 0;
  return {
    folder,
    installed: join(folder, 'node_modules', 'onespike'),
    tarball,
    node(code, kind = 'cjs') {
      const file = join(folder, `script-${++scripts}.${kind}`);
      writeFileSync(file, code);
      return command(folder, process.execPath, file);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
