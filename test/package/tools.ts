// Programs of other people, from the registry: runtimes, package managers, bundlers, compilers.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { command, quietInstall } from './consumer';

/** Versions by package; `npm:NAME@VERSION` under another name of the folder. */
export type Versions = Readonly<Record<string, string>>;

/**
 * Installs packages into a folder that stays for the next run (hundreds of megabytes), and answers it, or the reason
 * why that fails: a machine without the registry.
 */
function installTools(versions: Versions): { folder: string } | { reason: string } {
  const name = createHash('sha256').update(JSON.stringify(versions)).digest('hex').slice(0, 16);
  const folder = join(tmpdir(), 'onespike-tools', name);
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return { folder };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = { name: 'tools', version: '1.0.0', private: true, dependencies: versions };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  try {
    command(folder, 'npm', ...quietInstall);
  } catch (error) {
    const line = (error as Error).message.split('\n').find((each) => /npm error/.test(each)) ?? 'npm failed';
    return { reason: `${Object.keys(versions).join(', ')} could not be installed: ${line}` };
  }
  writeFileSync(complete, '');
  return { folder };
}

/** Tests that need packages of the registry; skipped with the reason where they cannot be installed. */
export function withTools(title: string, versions: Versions, tests: (folder: string) => void): void {
  const tools = installTools(versions);
  describe(title, () => {
    if ('folder' in tools) {
      tests(tools.folder);
      return;
    }
    console.log(`skipped: ${tools.reason}`);
    test.skip(`skipped: ${tools.reason}`, () => undefined);
  });
}
