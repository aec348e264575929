// Which types the declarations of a package use, and which of them its entry exports. A check over the texts of .d.ts
// files: they are generated, so that their form is known.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** A name and the file that declares it. */
interface Origin {
  file: string;
  name: string;
}

/** One .d.ts file: what it takes from other files of the package, and the text of what it declares. */
interface Declarations {
  imports: Map<string, Origin>;
  /** Files of which it exports everything. */
  stars: string[];
  texts: Map<string, string>;
}

const keyOf = ({ file, name }: Origin): string => `${file}#${name}`;
function fileOf(from: string, target: string): string {
  const path = join(dirname(from), target);
  return existsSync(`${path}.d.ts`) ? `${path}.d.ts` : join(path, 'index.d.ts');
}
const namesIn = (list: string): { name: string; as: string }[] =>
  list
    .split(',')
    .map((part) => part.trim().replace(/^type /, ''))
    .filter((part) => part !== '')
    .map((part) => part.split(' as '))
    .map(([name, as]) => ({ name: name!, as: as ?? name! }));

function read(path: string): string {
  const text = readFileSync(path, 'utf8');
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function parse(file: string): Declarations {
  const text = read(file);
  const imports = new Map<string, Origin>();
  for (const [, list, target] of text.matchAll(/^(?:import|export) (?:type )?\{([^}]*)\} from ['"](\.[^'"]*)['"];/gm))
    for (const { name, as } of namesIn(list!)) imports.set(as, { file: fileOf(file, target!), name });
  const stars = [...text.matchAll(/^export (?:type )?\* from ['"](\.[^'"]*)['"];/gm)].map(([, target]) =>
    fileOf(file, target!),
  );
  const texts = new Map<string, string>();
  // Declarations begin at the start of a line and reach to the next one.
  const starts = [
    ...text.matchAll(/^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|function|const) (\w+)/gm),
  ];
  starts.forEach((match, i) => {
    const own = text.slice(match.index, starts[i + 1]?.index).replace(/^(?:import|export) [^;]* from [^;]*;/gm, '');
    texts.set(match[1]!, (texts.get(match[1]!) ?? '') + own);
  });
  return { imports, stars, texts };
}

/** What the entry file exports: name, and where it is declared. */
function exportsOf(entry: string): Map<string, Origin> {
  const found = new Map<string, Origin>();
  for (const [, list, target] of read(entry).matchAll(/^export (?:type )?\{([^}]*)\} from ['"](\.[^'"]*)['"];/gm))
    for (const { name, as } of namesIn(list!)) found.set(as, origin({ file: fileOf(entry, target!), name }));
  return found;
}

/** Follows re-exports to the declaration. */
function origin(at: Origin): Origin {
  return declaration(at) ?? at;
}

function declaration({ file, name }: Origin): Origin | undefined {
  const { imports, stars, texts } = parse(file);
  if (texts.has(name)) return { file, name };
  const next = imports.get(name);
  if (next !== undefined) return declaration(next);
  return stars.map((star) => declaration({ file: star, name })).find((found) => found !== undefined);
}

/** The declarations that a declaration names. `typeof x` names whatever the declaration of x names. */
function used(at: Origin): Origin[] {
  const { imports, texts } = parse(at.file);
  const text = texts.get(at.name);
  if (text === undefined) throw new Error(`Expected a declaration of ${at.name} in ${at.file} but found none`);
  // A name that is neither imported nor declared here is a type parameter, or a type of the language.
  const resolve = (name: string): Origin[] => {
    const from = imports.get(name) ?? (texts.has(name) ? { file: at.file, name } : undefined);
    return from === undefined ? [] : [origin(from)];
  };
  const names = [...text.matchAll(/(?<!typeof )\b[A-Z]\w*/g)].map(([name]) => name).filter((name) => name !== at.name);
  const values = [...text.matchAll(/(?<!keyof )typeof (\w+)/g)].map(([, name]) => name!);
  const inline = [...text.matchAll(/import\(['"](\.[^'"]*)['"]\)\.(\w+)/g)];
  return [
    ...names.flatMap(resolve),
    ...values.flatMap(resolve).flatMap(used),
    ...inline.map(([, target, name]) => origin({ file: fileOf(at.file, target!), name: name! })),
  ];
}

/** Types that the exported declarations use and the entry does not export, as sentences. */
export function unexportedTypes(entry: string): string[] {
  const exported = exportsOf(entry);
  const known = new Set([...exported.values()].map(keyOf));
  const missing = [...exported].flatMap(([name, at]) =>
    used(at)
      .filter((type) => !known.has(keyOf(type)))
      .map((type) => `${name} uses ${type.name} of ${relative(dirname(entry), type.file)}`),
  );
  return [...new Set(missing)].sort();
}
