// The modules of this package, of which most are loaded when they are first used (scripts/compiled/lazy-imports.mjs).
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../binding';

/**
 * Loads every module of the package: work of hours does not notice when its files are replaced meanwhile, by an update
 * or a build. Does nothing where the code does not run from dist/, as in a bundle, which is one file.
 */
export function loadModules(): void {
  const root = packageRoot();
  if (root === undefined) return;
  const folder = join(root, 'dist', 'lib');
  if (__filename !== join(folder, 'native', 'modules.js')) return;
  const load = createRequire(__filename);
  for (const name of readdirSync(folder, { recursive: true }) as string[])
    if (name.endsWith('.js') && name !== join('cli', 'main.js')) load(join(folder, name));
}
