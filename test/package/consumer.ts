// A package as its users meet it: packed, and installed in an empty folder with no build/ and no install script.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..');

/** The environment without what the `npm test` above us tells its children, which would point npm back at this checkout. */
function environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([key]) => !/^npm_(package|lifecycle|command)|^npm_config_(local_|global_)?prefix$|^INIT_CWD$/.test(key),
  );
  return { ...Object.fromEntries(kept), NODE_OPTIONS: '', PREBUILDS_ONLY: '1', ...extra };
}

/** Runs a command and answers its stdout; a failure's message holds all that it printed. */
export function command(cwd: string, file: string, ...args: string[]): string {
  return run(cwd, {}, file, ...args);
}

function run(cwd: string, extra: Record<string, string>, file: string, ...args: string[]): string {
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

export interface Consumer {
  folder: string; // holds node_modules/onespike
  tarball: string;
  files: string[]; // of the tarball
  node(code: string, kind?: 'cjs' | 'mjs'): string; // runs a script there, answers its stdout
  remove(): void;
}

/** Packs the checkout (with a prebuild made from its present sources) and installs the tarball in a new folder. */
export function installPackage(): Consumer {
  command(root, process.execPath, 'scripts/package/prebuild.mjs', '--reuse');
  const folder = mkdtempSync(join(tmpdir(), 'onespike-package-'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', version: '1.0.0', private: true }));
  run(root, { ONESPIKE_PACK: 'test' }, 'npm', 'pack', '--silent', '--pack-destination', folder);
  const tarball = join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz'))!);
  command(folder, 'npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball);
  let scripts = 0;
  return {
    folder,
    tarball,
    files: command(folder, 'tar', '-tzf', tarball)
      .trim()
      .split('\n')
      .map((file) => file.replace(/^package\//, '')),
    node(code, kind = 'cjs') {
      const file = join(folder, `script-${++scripts}.${kind}`);
      writeFileSync(file, code);
      return command(folder, process.execPath, file);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
