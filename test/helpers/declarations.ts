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
  const texts = new Map<string, string>();
  // Declarations begin at the start of a line and reach to the next one.
  const starts = [
    ...text.matchAll(/^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|function|const) (\w+)/gm),
  ];
  starts.forEach((match, i) => {
    const own = text.slice(match.index, starts[i + 1]?.index).replace(/^(?:import|export) [^;]* from [^;]*;/gm, '');
    texts.set(match[1]!, (texts.get(match[1]!) ?? '') + own);
  });
  return { imports, texts };
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
  const { imports, texts } = parse(at.file);
  const next = imports.get(at.name);
  return texts.has(at.name) || next === undefined ? at : origin(next);
}

/** Types that the exported declarations use and the entry does not export, as sentences. */
export function unexportedTypes(entry: string): string[] {
  const exported = exportsOf(entry);
  const known = new Set([...exported.values()].map(keyOf));
  const missing = new Set<string>();
  for (const [publicName, at] of exported) {
    const { imports, texts } = parse(at.file);
    const text = texts.get(at.name);
    if (text === undefined) throw new Error(`Expected a declaration of ${at.name} in ${at.file} but found none`);
    const used = [...text.matchAll(/\b[A-Z]\w*/g)].map(([name]) => name).filter((name) => name !== at.name);
    for (const name of new Set(used)) {
      const from = imports.get(name) ?? (texts.has(name) ? { file: at.file, name } : undefined);
      if (from === undefined) continue; // a type parameter, or a type of the language
      const declared = origin(from);
      if (!known.has(keyOf(declared)))
        missing.add(`${publicName} uses ${declared.name} of ${relative(dirname(entry), declared.file)}`);
    }
    for (const [, target, name] of text.matchAll(/import\(['"](\.[^'"]*)['"]\)\.(\w+)/g)) {
      const declared = origin({ file: fileOf(at.file, target!), name: name! });
      if (!known.has(keyOf(declared)))
        missing.add(`${publicName} uses ${declared.name} of ${relative(dirname(entry), declared.file)}`);
    }
  }
  return [...missing].sort();
}
