// The public types: whoever writes a function around one of ours can name everything that it takes and returns.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { unexportedTypes } from '../helpers/declarations';

const root = join(__dirname, '..', '..');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onespike-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the entry exports every type that its declarations use', () => {
  const out = join(folder, 'declarations');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--emitDeclarationOnly', '--incremental', 'false', '--tsBuildInfoFile', 'null', '--outDir', out];
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), ...options], { stdio: 'inherit' });
  expect(unexportedTypes(join(out, 'lib', 'index.d.ts'))).toEqual([]);
});

test('the check itself: what is missing is named, whatever way it is used', () => {
  mkdirSync(join(folder, 'part'));
  writeFileSync(join(folder, 'index.d.ts'), "export { make, type Given, Box } from './part/a';\n");
  writeFileSync(
    join(folder, 'part', 'a.d.ts'),
    `import type { Elsewhere as There } from './b';
export type { Passed } from './b';
/** Not used: Ghost. */
export interface Given { of: There[]; self?: Given; promise: Promise<Map<string, Local>>; }
interface Local { }
export interface Ghost { }
export declare function make(given: Given): import("./b").Inline;
export declare class Box<T extends Given = Given> { #private; value: T; }
`,
  );
  writeFileSync(join(folder, 'part', 'b.d.ts'), 'export interface Elsewhere { }\nexport interface Inline { }\n');
  expect(unexportedTypes(join(folder, 'index.d.ts'))).toEqual([
    'Given uses Elsewhere of part/b.d.ts',
    'Given uses Local of part/a.d.ts',
    'make uses Inline of part/b.d.ts',
  ]);
});
