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
const picture = join(folder, 'grey.pgm');
writeFileSync(picture, Buffer.concat([Buffer.from('P5\n32 32\n255\n'), Buffer.alloc(32 * 32, 128)]));
/** Less than a fifth of the modules; one command, and no other group of commands, but for the limits of its options. */
const starts: [string, string[], RegExp, number][] = [
  [
    '--help',
    [main, '--help'],
    /^dist\/lib\/(pictures|serve|zoo|exchange|cluster|tracking|codes|energy)\b(?!.*\/limits\.js$)|\.node$/,
    75,
  ],
  [
    'train --help',
    [main, 'train', '--help'],
    /^dist\/lib\/(pictures|train\/(loop|run\/(?!events)|minutes))\b|\.node$/,
    55,
  ],
  [
    'predict',
    [main, 'predict', picture],
    /^dist\/lib\/(pictures|train\/(?!run\/(model-run|events)\.)|data\/sets\/(?!index)|cli\/commands\/(?!models\/|run\.))/,
    85,
  ],
];

test.each(starts)('%s loads few modules, and none of other commands', (_name, args, unwanted, most) => {
  const files = loaded(...args).filter((file) => !file.startsWith('node_modules/zod'));
  expect(files).toContain('dist/lib/cli/program.js');
  const packages = /^node_modules\/(?!commander\/)/;
  expect(files.filter((file) => unwanted.test(file) || packages.test(file))).toEqual([]);
  expect(files.length).toBeLessThan(most);
});

test.each([
  ["import 'onespike'", ['--input-type=module', '--eval', `import ${JSON.stringify(index)}`]],
  ["require('onespike')", ['--eval', `require(${JSON.stringify(root)})`]],
])('%s loads the classes and what checks a description', (_name, args) => {
  const files = loaded(...args);
  expect(files.filter((file) => !/^(dist\/lib\/check|node_modules\/zod)\//.test(file)).sort()).toEqual([
    'dist/index.js',
    'dist/lib/energy/index.js',
    'dist/lib/energy/operations.js',
    'dist/lib/errors.js',
    'dist/lib/model/code/code.js',
    'dist/lib/model/description.js',
    'dist/lib/model/genes/genes.js',
    'dist/lib/model/layer.js',
    'dist/lib/model/layers.js',
    'dist/lib/model/network.js',
    'dist/lib/model/shapes.js',
    'dist/lib/model/sizes.js',
    'dist/lib/model/spec.js',
    'dist/lib/model/vgg.js',
    'dist/lib/native/limited.js',
    'dist/lib/native/limits.js',
  ]);
});

test('the first network of a process finds loaded what takes long: its event loop is free', () => {
  const program = `
    const { Network, vgg } = require(${JSON.stringify(root)});
    const before = new Set(Object.keys(require.cache));
    Network.create(vgg('vgg16', { width: 0.25 }), { backend: 'cpu' }).then(async (network) => {
      await network.dispose();
      console.log(JSON.stringify(Object.keys(require.cache).filter((file) => !before.has(file))));
    });`;
  const later = JSON.parse(execFileSync(process.execPath, ['--eval', program], { encoding: 'utf8' })) as string[];
  expect(later.map((file) => relative(root, file)).filter((file) => file.startsWith('node_modules'))).toEqual([]);
  expect(later.length).toBeLessThan(12);
});

test('--help and a completion load no zod', () => {
  for (const args of [['--help'], ['train', '--help'], ['completion', 'bash']])
    expect(loaded(main, ...args).filter((file) => file.startsWith('node_modules/zod'))).toEqual([]);
});

test('import and require give the exports of lib/index.js, and the same functions', () => {
  const program = `
    import { createRequire } from 'node:module';
    import * as imported from ${JSON.stringify(index)};
    const require = createRequire(${JSON.stringify(index)});
    const required = require(${JSON.stringify(root)});
    const compiled = require('./lib/index.js');
    const kind = (value) => Array.isArray(value) ? value : typeof value !== 'object' ? typeof value
      : Object.fromEntries(Object.entries(value).map(([key, member]) => [key, kind(member)]));
    const shape = (all) => Object.fromEntries(Object.keys(all).sort().map((name) => [name, kind(all[name])]));
    console.log(JSON.stringify({
      imported: shape(imported), required: shape(required), compiled: shape(compiled),
      same: Object.keys(imported).every((name) => imported[name] === required[name]),
      classes: ['Network', 'OneSpikeError', 'OperationCounter'].every((name) => imported[name] === compiled[name]),
      names: [imported.train.name, imported.datasets.load.name],
      answers: [imported.vgg('vgg6').name, imported.isOneSpikeError(new imported.OneSpikeError('ERR_ARG', 'x'))],
    }));`;
  const { imported, required, compiled, ...rest } = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' }),
  );
  expect(Object.keys(compiled).length).toBeGreaterThan(35);
  expect(imported).toEqual(compiled);
  expect(required).toEqual(compiled);
  expect(rest).toEqual({ same: true, classes: true, names: ['train', 'load'], answers: ['vgg6', true] });
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

test('an export that is not of another module, or has another name there, is refused', () => {
  const source = (line: string) =>
    `exports.b = void 0;\nlet a_1$; const a_1 = () => (a_1$ ??= require("./a"));\n${line}\n`;
  const from = (line: string) =>
    inModule<string[][]>(
      'scripts/compiled/entries.mjs',
      ['exportedFrom'],
      'return [...exportedFrom(input)];',
      source(line),
    );
  const getter = (name: string) =>
    `Object.defineProperty(exports, "b", { enumerable: true, get: function () { return a_1().${name}; } });`;
  expect(from(getter('b'))).toEqual([['b', './a']]);
  for (const line of [getter('c'), 'exports.b = 1;']) expect(() => from(line)).toThrow('but b is not');
  expect(() => from('__exportStar(require("./c"), exports);')).toThrow('Expected lib/index.ts to name every export');
});

test('imports of a compiled module become calls, once', () => {
  const compiled = [
    'exports.make = void 0;',
    'const node_fs_1 = require("node:fs");',
    'const place_1 = require("./place");',
    'var made_1 = require("./made");',
    'Object.defineProperty(exports, "make", { enumerable: true, get: function () { return made_1.make; } });',
    'const there = new place_1.Place((0, node_fs_1.existsSync)(place_1.name), my_place_1.name);',
    "const { late } = await import('../late.js');",
    "const { other } = await import('other');",
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
      'let made_1$; const made_1 = () => (made_1$ ??= require("./made"));',
      'Object.defineProperty(exports, "make", { enumerable: true, get: function () { return made_1().make; } });',
      'const there = new (place_1()).Place((0, node_fs_1().existsSync)(place_1().name), my_place_1.name);',
      "const { late } = await Promise.resolve().then(() => require('../late.js'));",
      "const { other } = await import('other');",
      '',
    ].join('\n'),
  );
  expect(twice).toBe(once);
});
