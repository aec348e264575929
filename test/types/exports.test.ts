// The public types: a function around one of ours can name all its parameters and results.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { unexportedTypes } from '../helpers/declarations';
import { emitDeclarations } from './declarations';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onespike-types-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the entry exports every type that its declarations use', () => {
  const out = join(folder, 'declarations');
  emitDeclarations(out);
  expect(unexportedTypes(join(out, 'lib', 'index.d.ts'))).toEqual([]);
});

test('the check itself: what is missing is named, whatever way it is used', () => {
  mkdirSync(join(folder, 'part'));
  writeFileSync(join(folder, 'index.d.ts'), "export { make, type Given, Box, all } from './part/a';\n");
  writeFileSync(
    join(folder, 'part', 'a.d.ts'),
    `import type { Elsewhere as There } from './b';
export type { Passed } from './b';
/** Not used: Ghost. */
export interface Given { of: There[]; self?: Given; promise: Promise<Map<string, Local>>; }
interface Local { }
export interface Ghost { }
export declare function make(given: Given): import("./b").Inline;
declare function helper(hidden: Hidden): void;
interface Hidden { }
export declare const all: { helper: typeof helper };
export declare class Box<T extends Given = Given> { #private; value: T; }
`,
  );
  writeFileSync(join(folder, 'part', 'b.d.ts'), 'export interface Elsewhere { }\nexport interface Inline { }\n');
  expect(unexportedTypes(join(folder, 'index.d.ts'))).toEqual([
    'Given uses Elsewhere of part/b.d.ts',
    'Given uses Local of part/a.d.ts',
    'all uses Hidden of part/a.d.ts',
    'make uses Inline of part/b.d.ts',
  ]);
});
