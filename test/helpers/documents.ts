// What must hold between the documents and the code, as checks over file names and texts.
import { posix } from 'node:path';

const MATHEMATICS = 'docs/MATHEMATICS.md';
const MAX_COLUMNS = 120;
/**
 * Where the files of the published package can be read. The README links there, because it is also the registry's page
 * of the package.
 */
export const PUBLISHED = 'https://unpkg.com/onespike/';

/** The name that GitHub gives to a heading. */
export function anchorOf(title: string): string {
  const words = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
  return words
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

/** Lines of a Markdown text that are prose: no code, no mathematics in a block. The others are empty. */
function proseLines(text: string): string[] {
  let fence = false;
  return text.split('\n').map((line) => {
    if (/^\s*(```|~~~)/.test(line)) {
      fence = !fence;
      return '';
    }
    return fence ? '' : line;
  });
}

/** The titles of a Markdown text, without the marks. */
export function titlesOf(text: string): string[] {
  return proseLines(text).flatMap((line) => /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1] ?? []);
}

/** A source with its comments on one line each, so that a reference is whole wherever a formatter broke it. */
const unwrapped = (text: string): string => text.replace(/\n[ \t]*(?:\/\/+|\*(?!\/)|#)?[ \t]*/g, ' ');

/** References from code to a section of the mathematics, in the form `docs/MATHEMATICS.md, "Title" and "Title"`. */
export function mathematicsViolations(files: Map<string, string>): string[] {
  const titles = titlesOf(files.get(MATHEMATICS) ?? '');
  const found: string[] = [];
  for (const [file, text] of files) {
    if (file.endsWith('.md')) continue;
    const line = unwrapped(text);
    for (const [, quoted] of line.matchAll(/docs\/MATHEMATICS\.md,((?:(?: and|,)? "[^"]*")*)/g)) {
      const named = [...quoted!.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
      if (named.length === 0) found.push(`${file} refers to ${MATHEMATICS} without a title in quotes`);
      for (const title of named)
        if (!titles.includes(title)) found.push(`${file} refers to "${title}", which is no title of ${MATHEMATICS}`);
    }
    if (/\bSPEC sections?\b/.test(line)) found.push(`${file} refers to a SPEC, which is not in this repository`);
  }
  return found;
}

/** Links and paths of the documents that lead nowhere, and lines of prose that are too long. */
export function documentViolations(files: Map<string, string>, exists: (path: string) => boolean): string[] {
  const found: string[] = [];
  for (const [file, text] of files) {
    if (!file.endsWith('.md')) continue;
    const prose = proseLines(text);
    prose.forEach((line, index) => {
      const inTable = /^\s*\|/.test(line);
      if (!inTable && line.length > MAX_COLUMNS)
        found.push(`${file}:${index + 1} has ${line.length} columns, more than ${MAX_COLUMNS}`);
    });
    const whole = prose.join('\n');
    for (const [, target] of whole.matchAll(/\]\(([^)\s]+)\)/g)) {
      const published = target!.startsWith(PUBLISHED);
      if (!published && /^[a-z]+:/.test(target!)) continue;
      const [path, anchor] = target!.replace(PUBLISHED, '').split('#') as [string, string | undefined];
      const to = path === '' ? file : published ? path : posix.join(posix.dirname(file), path);
      if (to !== file && !exists(to)) found.push(`${file} links to ${target}, which does not exist`);
      else if (anchor !== undefined && !titlesOf(files.get(to) ?? '').some((title) => anchorOf(title) === anchor))
        found.push(`${file} links to ${target}, which is no title of ${to}`);
    }
    for (const [, path] of whole.matchAll(/`((?:native|lib|test|bench|scripts|examples|docs)\/[\w./-]*)`/g))
      if (!path!.includes('NAME') && !exists(path!)) found.push(`${file} names ${path}, which does not exist`);
  }
  return found;
}

/** Comments of sources that are too long. Types in JSDoc have the length that they have. */
export function commentViolations(files: Map<string, string>): string[] {
  const comment = /^\s*(\/\/|\/\*|\*|#)(?!.*@(?:type|param))/;
  return [...files].flatMap(([file, text]) =>
    file.endsWith('.md')
      ? []
      : text.split('\n').flatMap((line, index) => {
          const columns = [...line].length;
          if (columns <= MAX_COLUMNS || !comment.test(line)) return [];
          return [`${file}:${index + 1} has ${columns} columns, more than ${MAX_COLUMNS}`];
        }),
  );
}

/** Paths of sources that comments of sources name, from the root or from native/, and that lead nowhere. */
export function namedPathViolations(files: Map<string, string>, exists: (path: string) => boolean): string[] {
  const folders = 'native|lib|test|scripts|bench|docs|examples|core|cpu|cuda|ops|addon|comm';
  const path = new RegExp(`(?<![\\w./-])(?:${folders})/[\\w./-]*\\.(?:h|cc|cu|cuh|ts|mjs|md|py|sh)\\b`, 'g');
  return [...files].flatMap(([file, text]) => {
    const comments = file.endsWith('.md') ? [] : [...text.matchAll(/(?:\/\/|#(?!include)|^\s*\/?\*)(.*)$/gm)];
    return comments
      .flatMap(([, comment]) => comment!.match(path) ?? [])
      .filter((named) => !exists(named) && !exists(`native/${named}`))
      .map((named) => `${file} names ${named}, which does not exist`);
  });
}

/** Names that an index exports, each with the module that it comes from. */
function exportsOf(index: string): { name: string; from: string }[] {
  return [...index.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)].flatMap(([, list, from]) =>
    list!
      .replace(/\/\/.*$/gm, '')
      .split(',')
      .map((entry) => entry.trim().replace(/^type /, ''))
      .filter((entry) => entry !== '')
      .map((entry) => ({ name: entry.split(' as ')[0]!, from: from! })),
  );
}

/**
 * The text of the comment before the declaration of `name`, '' where there is none; undefined if it is not declared
 * here.
 */
function descriptionIn(text: string, name: string): string | undefined {
  const kind = '(?:async function\\*?|function\\*?|(?:abstract )?class|interface|type|const|enum)';
  const at = new RegExp(`^export (?:declare )?${kind} ${name}\\b`, 'm').exec(text)?.index;
  if (at === undefined) return undefined;
  const comment = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*$/.exec(text.slice(0, at));
  return (comment?.[1] ?? '').replace(/^\s*\* ?/gm, '').trim();
}

/** The description of an exported symbol, wherever it is declared. `files` holds the sources by path. */
function descriptionOf(files: Map<string, string>, module: string, name: string): string | undefined {
  const path = [`${module}.ts`, `${module}/index.ts`].find((file) => files.has(file));
  if (path === undefined) return undefined;
  const text = files.get(path)!;
  const here = descriptionIn(text, name);
  if (here !== undefined) return here;
  const named = exportsOf(text).filter((entry) => entry.name === name);
  const whole = [...text.matchAll(/export (?:type )?\* from '([^']+)'/g)].map((match) => match[1]!);
  for (const from of [...named.map((entry) => entry.from), ...whole]) {
    const found = descriptionOf(files, posix.join(posix.dirname(path), from), name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Exported symbols of lib/index.ts that no sentence describes. */
export function undescribed(files: Map<string, string>): string[] {
  return exportsOf(files.get('lib/index.ts') ?? '').flatMap(({ name, from }) => {
    const description = descriptionOf(files, posix.join('lib', from), name);
    if (description === undefined) return [`${name} of ${from} is declared nowhere`];
    const [sentences = ''] = description.split(/\n\s*@/);
    return /^[A-Z`'][^]*[.:)]$/.test(sentences.trim()) ? [] : [`${name} of ${from} has no description in sentences`];
  });
}
