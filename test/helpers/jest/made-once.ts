// What several test files need and takes seconds to make: the first that asks makes it, for this run of the tests.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const variable = 'ONESPIKE_TESTS_SHARED';

/** Jest's global set-up: the folder, which the workers find in their environment. */
export function makeShared(): void {
  process.env[variable] = mkdtempSync(join(tmpdir(), 'onespike-shared-'));
}

/** Jest's global teardown. */
export function removeShared(): void {
  rmSync(process.env[variable]!, { recursive: true, force: true });
}

const mostMilliseconds = 900_000;

/** A folder that `make` fills, once; other processes wait for it. */
export function madeOnce(name: string, make: (folder: string) => void): string {
  const place = join(process.env[variable]!, name);
  const folder = join(place, 'content');
  const state = (ending: string): string => join(place, ending);
  try {
    mkdirSync(place);
  } catch {
    const begun = performance.now();
    while (!existsSync(state('complete'))) {
      if (existsSync(state('failed')) || performance.now() - begun > mostMilliseconds)
        throw new Error(`Expected ${name} but another test file failed to make it`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
    return folder;
  }
  try {
    mkdirSync(folder);
    make(folder);
    writeFileSync(state('complete'), '');
  } catch (error) {
    writeFileSync(state('failed'), '');
    throw error;
  }
  return folder;
}
