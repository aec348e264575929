// The documents are true of the tree: references from code to the mathematics, links, paths, and the width of lines.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  anchorOf,
  commentViolations,
  documentViolations,
  mathematicsViolations,
  namedPathViolations,
  titlesOf,
  undescribed,
} from './helpers/documents';

const root = join(__dirname, '..');
const folders = ['lib', 'native', 'scripts', 'test', 'bench', 'examples', 'docs', '.ci'];

function texts(): Map<string, string> {
  const files = new Map<string, string>();
  const add = (path: string): void => {
    if (/\.(ts|mjs|js|sh|py|cc|h|cu|cuh|cmake|md|txt)$/.test(path) && statSync(join(root, path)).isFile())
      files.set(path, readFileSync(join(root, path), 'utf8'));
  };
  readdirSync(root).forEach(add);
  for (const folder of folders)
    for (const name of readdirSync(join(root, folder), { recursive: true }) as string[])
      if (!/(^|\/)(node_modules|html|site)\//.test(name)) add(`${folder}/${name}`);
  return files;
}

/** This file and its helper name what they forbid. */
const others = (files: Map<string, string>): Map<string, string> =>
  new Map([...files].filter(([file]) => !/^test\/(helpers\/)?documents\b/.test(file)));

test('every reference to the mathematics names one of its sections', () => {
  const files = texts();
  expect(titlesOf(files.get('docs/MATHEMATICS.md')!)).toContain('The neuron');
  expect([...files.values()].filter((text) => text.includes('docs/MATHEMATICS.md, "')).length).toBeGreaterThan(10);
  expect(mathematicsViolations(others(files))).toEqual([]);
});

test('links and paths in the documents lead somewhere, and prose fits in 120 columns', () => {
  expect(documentViolations(texts(), (path) => existsSync(join(root, path)))).toEqual([]);
});

test('paths that comments name lead somewhere', () => {
  expect(namedPathViolations(others(texts()), (path) => existsSync(join(root, path)))).toEqual([]);
});

test('comments fit in 120 columns', () => {
  expect(commentViolations(texts())).toEqual([]);
});

test('every exported symbol has a description', () => {
  expect(undescribed(texts())).toEqual([]);
});

describe('the check itself', () => {
  const page = ['docs/MATHEMATICS.md', '# Mathematics\n\n## The neuron\n\n```\n## Not a title\n```\n'] as const;
  const references = (text: string): string[] => mathematicsViolations(new Map([page, ['native/a.h', text]]));
  const document = (text: string): string[] =>
    documentViolations(new Map([page, ['README.md', text]]), (path) => path === page[0] || path === 'native/core');

  test.each([
    ['// see docs/MATHEMATICS.md, "The neuron"'],
    ['// see docs/MATHEMATICS.md, "The\n// neuron"'],
    ['/**\n * see docs/MATHEMATICS.md, "The neuron" and\n * "The neuron"\n */'],
  ])('%j refers to a section', (text) => expect(references(text)).toEqual([]));

  test.each([
    ['// see docs/MATHEMATICS.md, "The neurone"', 'no title'],
    ['// see docs/MATHEMATICS.md, "The neuron" and "Not a title"', 'no title'],
    ['// see docs/MATHEMATICS.md, section 3', 'without a title'],
    ['// the neuron (SPEC\n// section 3)', 'a SPEC'],
  ])('%j does not', (text, reason) => expect(references(text)).toEqual([expect.stringContaining(reason)]));

  test.each([
    [
      '[page](docs/MATHEMATICS.md#the-neuron), [here](#the-title), [far](https://example.org/x) `native/core`\n# The title',
    ],
    ['[page](https://unpkg.com/onespike/docs/MATHEMATICS.md#the-neuron)'],
    [`\`\`\`\n${'x '.repeat(100)}\n\`\`\``],
    [`| ${'x '.repeat(100)} |`],
  ])('%j is a sound document', (text) => expect(document(text)).toEqual([]));

  test.each([
    ['[page](docs/MATHEMATIC.md)', 'does not exist'],
    ['[page](https://unpkg.com/onespike/docs/MATHEMATIC.md)', 'does not exist'],
    ['[page](https://unpkg.com/onespike/docs/MATHEMATICS.md#the-neurone)', 'no title'],
    ['[page](docs/MATHEMATICS.md#the-neurone)', 'no title'],
    ['`native/cores`', 'does not exist'],
    ['x '.repeat(61), '122 columns'],
  ])('%j is not', (text, reason) => expect(document(text)).toEqual([expect.stringContaining(reason)]));

  test('a path that a comment names exists, from the root or from native/', () => {
    const paths = (text: string): string[] =>
      namedPathViolations(new Map([['native/a.h', text]]), (path) => path === 'native/ops/rng.h');
    expect(paths('int x;  // as in native/ops/rng.h and ops/rng.h\n#include "ops/gone.h"')).toEqual([]);
    expect(paths('/**\n * See ops/ring.h.\n */')).toEqual(['native/a.h names ops/ring.h, which does not exist']);
  });

  test('a comment may have 120 columns, not 121, and code what it needs', () => {
    const comments = (line: string): string[] => commentViolations(new Map([['native/a.h', line]]));
    expect(comments(`  // ${'λ'.repeat(115)}`)).toEqual([]);
    expect(comments(`  // ${'x'.repeat(116)}`)).toEqual(['native/a.h:1 has 121 columns, more than 120']);
    expect(comments(`const text = '${'x'.repeat(120)}';`)).toEqual([]);
  });

  const surface = (text: string): string[] =>
    undescribed(
      new Map([
        ['lib/index.ts', "export { type A } from './model/a';"],
        ['lib/model/a.ts', "export type * from './b';"],
        ['lib/model/b.ts', text],
      ]),
    );
  test('a description stands right before the declaration and is a sentence', () => {
    expect(surface('/** An A. */\nexport interface A {}')).toEqual([]);
    expect(surface('/** An A. */\nexport interface B {}\nexport interface A {}')).toEqual([
      expect.stringMatching(/^A /),
    ]);
    expect(surface('/** what an A is */\nexport interface A {}')).toEqual([expect.stringContaining('no description')]);
    expect(surface('interface A {}')).toEqual([expect.stringContaining('declared nowhere')]);
  });

  test('anchors are those of GitHub', () => {
    expect(anchorOf('Dense kernels: own, libxsmm, oneDNN')).toBe('dense-kernels-own-libxsmm-onednn');
    expect(anchorOf('The `ANN` stage')).toBe('the-ann-stage');
  });
});
