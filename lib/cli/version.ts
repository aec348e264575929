import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version in package.json, which lies above this file: in lib/ under test, in dist/lib/ when installed. */
export function packageVersion(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (name === 'onespike' && version !== undefined) return version;
    } catch {
      // Not in this folder.
    }
  }
  return 'unknown';
}
