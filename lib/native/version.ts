// The version of the package, which needs no addon.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../binding';

/** The version in package.json; 'unknown' where the code was copied out of its package. */
export function packageVersion(): string {
  const root = packageRoot();
  if (root === undefined) return 'unknown';
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version?: string };
  return version ?? 'unknown';
}

/** A file or a folder of the package, by its path there; undefined where the code was copied out of its package. */
export function packagePath(path: string): string | undefined {
  const root = packageRoot();
  return root === undefined ? undefined : join(root, path);
}
