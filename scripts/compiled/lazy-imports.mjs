// Makes the compiled modules load what they import when they first use it, not when they are loaded themselves. A start
// of Node.js with every module of the package, zod and commander included, takes three times as long as one that loads
// what `--help` needs (test/cli/start.test.ts names what it must not load).
import fs from 'node:fs';
import path from 'node:path';

/**
 * `const a_1 = require("./a");` becomes a function that loads the module once, and every use of `a_1` a call of it.
 * Text that is changed already stays as it is: tsc leaves the modules alone whose sources did not change.
 *
 * Re-exports, whose modules tsc declares by `var`, become calls in their getters, and `import("./a.js")` a promise of
 * what `require` gives: the first `import()` of a process loads the loader of ES modules, a sixth of the time of
 * `--help`, and it reads all exports, which would load the modules of all re-exports.
 *
 * @param {string} source a CommonJS module as tsc writes it
 */
export function lazyImports(source) {
  const imports = /^(?:const|var) (\w+_\d+) = require\(("[^"\n]+")\);$/gm;
  const names = [...source.matchAll(imports)].map(([, name = '']) => name);
  const declared = source
    .replace(imports, 'let $1$$; const $1 = () => ($1$$ ??= require($2));')
    .replace(/\bimport\(('\.[^'\n]+')\)/g, 'Promise.resolve().then(() => require($1))');
  if (names.length === 0) return declared;
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
