// One list of functions in three places: the export table, the signatures above the definitions, and binding-types.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const table = [...read('native/addon/module.cc').matchAll(/\{"(\w+)", guard_(sync|async)<(\w+)>\}/g)];
const sources = readdirSync(join(root, 'native/addon'))
  .filter((name) => name.endsWith('.cc'))
  .map((name) => read(`native/addon/${name}`))
  .join('\n');
/** A signature on one line, wherever the formatter broke it. */
const oneLine = (signature: string): string =>
  signature.replace(/\s+/g, ' ').trim().replace(/\( /g, '(').replace(/,? \)/g, ')');
const comments = [...sources.matchAll(/((?:^\/\/ .*\n)+)Napi::Value (\w+)\(/gm)].map(([, comment, name]) => ({
  signature: oneLine(comment!.replace(/^\/\/ /gm, '')),
  name: name!,
}));
const declared = /interface NativeModule \{\n([^]*?);\n\}/
  .exec(read('binding-types.ts'))![1]!
  .split(';\n')
  .map(oneLine);

test('binding-types.ts and the comments agree, signature by signature', () => {
  expect(comments.map(({ signature }) => signature).sort()).toEqual([...declared].sort());
});

test('the export table names the same functions, and each C++ function is called like its export', () => {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  expect(table.map(([, name]) => name)).toEqual(declared.map((signature) => signature.replace(/\(.*/, '')));
  for (const [, name, , implementation] of table) expect(implementation).toBe(snake(name!));
  for (const { signature, name } of comments) expect(name).toBe(snake(signature.replace(/\(.*/, '')));
});

test('a function is guarded as asynchronous if and only if it answers a promise', () => {
  for (const [, name, kind] of table) {
    expect([name, kind]).toEqual([
      name,
      declared.find((signature) => signature.startsWith(`${name}(`))!.includes('): Promise<') ? 'async' : 'sync',
    ]);
  }
});
