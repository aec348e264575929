// Writes the ES module face of the compiled package: dist/index.mjs and its types. It only names what the CommonJS
// module exports, so that `import` and `require` hand out the same classes.
import fs from 'node:fs';
import path from 'node:path';

/**
 * Names that a CommonJS module compiled by tsc exports, read from its text: loading it would need the native addon.
 *
 * @param {string} source
 */
export function exportedNames(source) {
  if (/^(tslib_\d+\.)?__exportStar\(/m.test(source))
    throw new Error('Expected lib/index.ts to name every export but it has an "export *"');
  /** @type {Set<string>} */
  const names = new Set();
  for (const [, name = ''] of source.matchAll(/^Object\.defineProperty\(exports, "(\w+)"/gm)) names.add(name);
  for (const [, name = ''] of source.matchAll(/^exports\.(\w+) = /gm)) names.add(name);
  // tsc announces hoisted names as `exports.a = exports.b = void 0;`
  for (const [line] of source.matchAll(/^exports\..* = void 0;$/gm)) {
    for (const [, name = ''] of line.matchAll(/exports\.(\w+)/g)) names.add(name);
  }
  names.delete('__esModule');
  return [...names].sort();
}

/** @param {string} dist */
export function writeEsmWrapper(dist) {
  const names = exportedNames(fs.readFileSync(path.join(dist, 'lib/index.js'), 'utf8'));
  const lines = names.map((name) => `export const ${name} = onespike.${name};`);
  fs.writeFileSync(path.join(dist, 'index.mjs'), ["import onespike from './lib/index.js';", ...lines, ''].join('\n'));
  fs.writeFileSync(path.join(dist, 'index.d.mts'), "export * from './lib/index.js';\n");
}
