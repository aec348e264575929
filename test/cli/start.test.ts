// What is loaded at the start: the time of `--help`, of a completion and of `import 'onespike'` goes by it. Counted,
// not timed, because other programs run beside the tests.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { temporaryFolder, tinyConfig } from '../helpers/command-line';
import { inModule } from '../helpers/module';

const root = join(__dirname, '..', '..');
const folder = temporaryFolder();

/** The files of the repository that a start of Node.js with these arguments has loaded at its end. */
function loaded(...args: string[]): string[] {
  const listing = join(folder, 'loaded.json');
  const hook = join(folder, 'list.cjs');
  writeFileSync(
    hook,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(listing)}, JSON.stringify(
      [...Object.keys(require.cache), ...process.report.getReport().sharedObjects])));`,
  );
  execFileSync(process.execPath, ['--require', hook, ...args], { cwd: folder, stdio: 'pipe' });
  return (JSON.parse(readFileSync(listing, 'utf8')) as string[])
    .filter((file) => file.startsWith(root))
    .map((file) => relative(root, file));
}

const main = join(root, 'dist/lib/cli/main.js');
const index = pathToFileURL(join(root, 'dist/index.mjs')).href;
const starts: [string, string[]][] = [
  ['--help', [main, '--help']],
  ['train --help', [main, 'train', '--help']],
  ["import 'onespike'", ['--input-type=module', '--eval', `import ${JSON.stringify(index)}`]],
];

test.each(starts)('%s loads neither zod nor the addon, and few modules', (_name, args) => {
  const files = loaded(...args);
  expect(files).toContain(args[0] === main ? 'dist/lib/cli/main.js' : 'dist/lib/index.js');
  const unwanted = /^node_modules\/(?!commander\/)|\.node$|^dist\/lib\/(pictures|train\/(loop\/session|minutes))\b/;
  expect(files.filter((file) => unwanted.test(file))).toEqual([]);
  expect(files.length).toBeLessThan(100);
});

test('a training loads all modules when it begins', () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify({ ...tinyConfig, ann: { epochs: 0 }, snn: { epochs: 0 } }));
  const files = new Set(loaded(main, 'train', config, '--out', join(folder, 'run'), '--json'));
  const all = (readdirSync(join(root, 'dist/lib'), { recursive: true }) as string[]).filter((file) =>
    file.endsWith('.js'),
  );
  expect(all.filter((file) => !files.has(join('dist/lib', file)))).toEqual([]);
});

test('imports of a compiled module become calls, once', () => {
  const compiled = [
    'exports.make = void 0;',
    'const node_fs_1 = require("node:fs");',
    'const place_1 = require("./place");',
    'var made_1 = require("./made");',
    'Object.defineProperty(exports, "make", { enumerable: true, get: function () { return made_1.make; } });',
    'const there = new place_1.Place((0, node_fs_1.existsSync)(place_1.name), my_place_1.name);',
    '',
  ].join('\n');
  const [once, twice] = inModule<string[]>(
    'scripts/compiled/lazy-imports.mjs',
    ['lazyImports'],
    'const once = lazyImports(input); return [once, lazyImports(once)];',
    compiled,
  );
  expect(once).toBe(
    [
      'exports.make = void 0;',
      'let node_fs_1$; const node_fs_1 = () => (node_fs_1$ ??= require("node:fs"));',
      'let place_1$; const place_1 = () => (place_1$ ??= require("./place"));',
      'var made_1 = require("./made");',
      'Object.defineProperty(exports, "make", { enumerable: true, get: function () { return made_1.make; } });',
      'const there = new (place_1()).Place((0, node_fs_1().existsSync)(place_1().name), my_place_1.name);',
      '',
    ].join('\n'),
  );
  expect(twice).toBe(once);
});
