// The programs in the documents, carried out by the built package in one process of their own, in a folder that holds
// what they name.
import { execFile } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { transformSync } from '@swc/core';
import * as onespike from '../../lib';
import { temporaryFolder } from '../helpers/command-line';
import { blocksOf, documents, exceptionOf, programs, type Block } from './blocks';
import { environmentOf, prepareFolder, publishModel, type Published } from './folder';

/** What a fragment takes from the text around it, by the beginning of the fragment. */
const context: [start: string, lines: string][] = [
  ['for await (const event of train', 'const { signal } = new AbortController();'],
  [
    "const network = await (await loadRun('runs/mine')",
    `const { train: trainPixels, test: { pixels } } = await datasets.load('shapes', { trainCount: 20, testCount: 4 });
     const n = 1, r = 2;`,
  ],
];

/** Smaller numbers, so that each program takes a second. */
const shorter: [pattern: RegExp | string, replacement: string][] = [
  [
    "preset: 'vgg6', ",
    "preset: 'vgg6', dataset: { trainCount: 100, testCount: 20 }, ann: { epochs: 1 }, snn: { epochs: 1 }, ",
  ],
  [
    "preset: 'vgg9', dataset: { name: 'cifar10' }",
    "preset: 'vgg9', dataset: { name: 'cifar10' }, model: { width: 0.125, hidden: [16] }, " +
      'ann: { epochs: 1 }, snn: { epochs: 1 }',
  ],
  ['images: 1000, timesteps: { rate: 500 }', 'images: 4, timesteps: { rate: 10, direct: 6, phase: 16, burst: 8 }'],
  ['timesteps: 500, calibration: trainPixels', 'timesteps: 10, calibration: trainPixels.pixels'],
  ["datasets.load('shapes');\nfor await", "datasets.load('shapes', { trainCount: 50, testCount: 10 });\nfor await"],
  ['i < 1000', 'i < 20'],
  [
    /dataset(: \{ train: images, test \})? \}\)/,
    'dataset$1, model: { width: 0.125 }, ann: { epochs: 1 }, snn: { epochs: 1 } })',
  ],
  ['port: 8080', 'port: 0'],
];

const all = documents()
  .flatMap((file) => blocksOf(file))
  .filter((block) => programs.includes(block.language) && exceptionOf(block, block.text) === undefined);

/** The text without types, with what it does not import itself. */
function moduleOf(block: Block, replaced: readonly (readonly [string, string])[]): string {
  const { text } = block;
  const [, around = ''] = context.find(([start]) => text.startsWith(start)) ?? [];
  const whole = [...shorter, ...replaced].reduce((program, [from, to]) => program.replace(from, to), around + text);
  const names = Object.keys(onespike).filter((name) => new RegExp(`(?<![.'\\w])${name}\\b(?!:)`).test(whole));
  const imports = /from 'onespike'/.test(text) ? '' : `import { ${names.join(', ')} } from 'onespike';\n`;
  const parser = { syntax: 'typescript' } as const;
  return transformSync(imports + whole, { jsc: { target: 'es2022', parser }, module: { type: 'es6' } }).code;
}

test('the program of the README is short', () => {
  const [program] = all.filter(({ file, language }) => file === 'README.md' && language === 'js');
  expect(program!.text.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
});

describe('carried out', () => {
  const folder = temporaryFolder();
  const results = new Map<string, { output: string; error?: string }>();
  const titleOf = ({ file, line, title }: Block): string => `${file}, "${title}", line ${line}`;
  const signatures = ({ text }: Block): boolean => text.startsWith('vgg(');
  const complete = all.filter((block) => !signatures(block));
  let published: Published | undefined;

  beforeAll(async () => {
    await prepareFolder(folder);
    const run = promisify(execFile);
    const options = { cwd: folder, env: { ...process.env, ...environmentOf(folder) } };
    // One process: to load the package and its binary takes longer than most of the programs.
    const answer = async (program: string): Promise<string> =>
      (await run(process.execPath, ['--input-type=module', '--eval', program], options)).stdout;
    await answer(
      "import { train } from 'onespike'; import { readFileSync } from 'node:fs';" +
        "for await (const event of train({ ...JSON.parse(readFileSync('config.json', 'utf8')), out: 'runs/mine' }));",
    );
    cpSync(join(folder, 'vgg16_bn.pth'), join(folder, 'runs/vgg16_bn.pth'));
    published = await publishModel(folder);
    const replaced = [
      ['https://example.org', published.url],
      ["'…'", `'${published.sha256}'`],
    ] as const;
    complete.forEach((block, i) => writeFileSync(join(folder, `${i}.mjs`), moduleOf(block, replaced)));
    const output = await answer(`
      import { formatWithOptions } from 'node:util';
      let output = '';
      console.log = (...values) => (output += formatWithOptions({}, ...values) + '\\n');
      const results = [];
      for (let i = 0; i < ${complete.length}; i++) {
        output = '';
        const error = await import('./' + i + '.mjs').then(() => undefined, (reason) => reason.stack ?? String(reason));
        results.push({ output, error });
      }
      process.stdout.write(JSON.stringify(results));`);
    (JSON.parse(output) as { output: string; error?: string }[]).forEach((result, i) =>
      results.set(titleOf(complete[i]!), result),
    );
  }, 300_000);
  afterAll(() => published?.close());

  test.each(complete.map(titleOf))('%s', (title) => {
    const { error, output } = results.get(title)!;
    expect(error).toBeUndefined();
    if (!title.startsWith('README.md')) return;
    expect(output).toMatch(/^ann 1 0?\.?\d+/m);
    expect(output).toMatch(/^snn 1 0?\.?\d+/m);
    expect(output).toMatch(/Uint8Array\(16384\)/);
  });

  test.each(all.filter(signatures).map((block) => [titleOf(block), block] as const))(
    '%s, lists functions that there are',
    (_title, { text }) => {
      const names = [...text.matchAll(/^([\w.]+)\(/gm)].map(([, name]) => name!);
      expect(names.length).toBeGreaterThan(10);
      const there = (name: string): boolean => {
        const [object, method] = name.split('.') as [string, string | undefined];
        // Methods of an instance are written with a small letter.
        if (object === 'network') return typeof (onespike.Network.prototype as never)[method!] === 'function';
        const value = (onespike as never)[object];
        return typeof (method === undefined ? value : value[method]) === 'function';
      };
      expect(names.filter((name) => !there(name))).toEqual([]);
    },
  );
});
