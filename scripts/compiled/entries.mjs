// Writes what `require('onespike')` and `import 'onespike'` load: dist/index.js and dist/index.mjs, which exports the
// same functions and classes. lib/index.js would load every module that it names something of, because Node.js reads
// all exports of a CommonJS module that is imported. Here functions load theirs at the first call. Loaded at once are
// classes, which programs compare with `instanceof`, and what checks the description of a network, zod among it: in the
// first call of a server's process it would block the event loop for 60 to 100 ms.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/**
 * The module of every name that lib/index.js exports, read from its text.
 *
 * @param {string} source as `lazyImports` leaves it
 * @returns {Map<string, string>} names in alphabetical order
 */
export function exportedFrom(source) {
  if (/^(tslib_\d+\.)?__exportStar\(/m.test(source))
    throw new Error('Expected lib/index.ts to name every export but it has an "export *"');
  const modules = new Map(
    [...source.matchAll(/^let \w+\$; const (\w+) = .*require\("([^"]+)"\)/gm)].map((m) => [m[1], m[2]]),
  );
  const getters = /^Object\.defineProperty\(exports, "(\w+)", \{ .* return (\w+)\(\)\.\1; \} \}\);$/gm;
  const found = [...source.matchAll(getters)].map(([, name = '', variable]) => [name, modules.get(variable)]);
  // tsc announces all names as `exports.a = exports.b = void 0;`
  const [announced = ''] = /^exports\..* = void 0;$/m.exec(source) ?? [];
  const missing = [...announced.matchAll(/exports\.(\w+)/g)].find(
    ([, name]) => !found.some(([known]) => known === name),
  );
  if (missing !== undefined)
    throw new Error(
      `Expected lib/index.ts to export everything from another module, under its name, but ${missing[1]} is not`,
    );
  return new Map(/** @type {[string, string][]} */ (found.sort(([a = ''], [b = '']) => (a < b ? -1 : 1))));
}

/**
 * An export as an expression of dist/index.js.
 *
 * @param {string} name
 * @param {unknown} value what it is
 * @param {string} from an expression for it that loads its module
 * @returns {string}
 */
function entry(name, value, from) {
  if (typeof value === 'function' && !/^class\b/.test(String(value)))
    return `function ${name}(...args) { return ${from}(...args); }`;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return JSON.stringify(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return from;
  const members = Object.entries(/** @type {object} */ (value)).map(([key, member]) =>
    typeof member === 'function'
      ? `  ${key}: ${entry(key, member, `${from}.${key}`)},`
      : `  get ${key}() { return ${from}.${key}; },`,
  );
  return ['{', ...members, '}'].join('\n');
}

/** @param {string} dist compiled already, with lazy imports */
export function writeEntries(dist) {
  const index = path.join(dist, 'lib/index.js');
  const exported = exportedFrom(fs.readFileSync(index, 'utf8'));
  const values = createRequire(index)(index);
  const common = [...exported].map(
    ([name, module]) =>
      `exports.${name} = ${entry(name, values[name], `require('./lib/${module.slice(2)}').${name}`)};`,
  );
  const head = ["'use strict';", "Object.defineProperty(exports, '__esModule', { value: true });"];
  const checks = "exports.vgg('vgg6');"; // builds the schemas
  fs.writeFileSync(path.join(dist, 'index.js'), [...head, ...common, checks, ''].join('\n'));
  const named = [...exported.keys()].map((name) => `export const ${name} = onespike.${name};`);
  fs.writeFileSync(path.join(dist, 'index.mjs'), ["import onespike from './index.js';", ...named, ''].join('\n'));
  fs.writeFileSync(path.join(dist, 'index.d.mts'), "export * from './lib/index.js';\n");
}
