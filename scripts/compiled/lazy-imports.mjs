// Makes the compiled modules load what they import when they first use it, not when they are loaded themselves. A start
// of Node.js with every module of the package, zod and commander included, takes three times as long as one that loads
// what `--help` needs (test/cli/start.test.ts names what it must not load).
import fs from 'node:fs';
import path from 'node:path';

/**
 * `const a_1 = require("./a");` becomes a function that loads the module once, and every use of `a_1` a call of it.
 * Text that is changed already stays as it is: tsc leaves the modules alone whose sources did not change.
 *
 * Re-exports (tsc declares them by `var`) stay as they are: Node.js reads from their text which names `import()` of a
 * CommonJS module gives.
 *
 * @param {string} source a CommonJS module as tsc writes it
 */
export function lazyImports(source) {
  const imports = /^const (\w+_\d+) = require\(("[^"\n]+")\);$/gm;
  const names = [...source.matchAll(imports)].map(([, name = '']) => name);
  if (names.length === 0) return source;
  const declared = source.replace(imports, 'let $1$$; const $1 = () => ($1$$ ??= require($2));');
  const uses = new RegExp(`(?<new>\\bnew )?\\b(?<name>${names.join('|')})(?=\\.)`, 'g');
  return declared.replace(uses, (_match, construct, name) =>
    construct === undefined ? `${name}()` : `new (${name}())`,
  );
}

/** @param {string} dist */
export function makeImportsLazy(dist) {
  for (const name of /** @type {string[]} */ (fs.readdirSync(dist, { recursive: true }))) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(dist, name);
    const source = fs.readFileSync(file, 'utf8');
    const lazy = lazyImports(source);
    if (lazy !== source) fs.writeFileSync(file, lazy);
  }
}
