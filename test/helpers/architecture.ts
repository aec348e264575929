// The modules and what each may import, as a check over file names and texts.
import { posix } from 'node:path';

const shared = ['errors', 'check'];

/** Which modules (or single files, or folders of a module) of lib/ each may import, besides itself. */
const libArrows: Record<string, string[]> = {
  binding: [],
  errors: [],
  check: ['errors'],
  native: ['binding', ...shared],
  io: shared,
  data: ['io', ...shared],
  model: ['io', 'native', ...shared],
  energy: ['model', 'io', 'native', ...shared],
  train: ['model', 'data', 'energy', 'io', 'native', ...shared],
  codes: ['train', 'model', 'data', 'energy', 'io', 'native', ...shared],
  pictures: ['train/run', 'model', 'data', 'energy', 'io', 'native', ...shared],
  exchange: ['model', 'io', 'native', ...shared],
  cluster: ['train', 'model', 'data', 'io', 'native', ...shared],
  zoo: ['train', 'model', 'data', 'io', 'native', ...shared],
  serve: ['model', 'data', 'io', 'native', ...shared],
  tracking: ['pictures', 'train/run', 'io', ...shared],
  cli: [
    'tracking',
    'serve',
    'zoo',
    'cluster',
    'codes',
    'pictures',
    'exchange',
    'train',
    'model',
    'data',
    'energy',
    'io',
    'native',
    ...shared,
  ],
  index: [
    'serve',
    'zoo',
    'cluster',
    'codes',
    'exchange',
    'train',
    'model',
    'data',
    'energy',
    'io',
    'native',
    ...shared,
  ],
};

/** Which folders of native/ each may include. */
const nativeArrows: Record<string, string[]> = {
  ops: ['ops'],
  core: ['core', 'ops'],
  cpu: ['cpu', 'core', 'ops'],
  cuda: ['cuda', 'core', 'ops'],
  backends: ['backends', 'cpu', 'cuda', 'core', 'ops'],
  comm: ['comm', 'core'],
  addon: ['addon', 'backends', 'comm', 'core', 'ops'],
  test: ['test', 'backends', 'comm', 'cpu', 'cuda', 'core', 'ops'],
  bench: ['bench', 'backends', 'cpu', 'cuda', 'core', 'ops'],
};

/** Headers from outside that belong to one module, or to one file of it. */
const headerOwners = [
  { header: /^(napi|node_api|js_native_api|uv)\.h$/, owner: 'native/addon/support/napi_setup.h' },
  { header: /^hwy\//, owner: 'native/cpu/' },
  { header: /^(cuda_|cublas|cooperative_groups|mma)/, owner: 'native/cuda/' },
];

/**
 * What reads files, from node:fs and node:fs/promises; whatever else is named there writes, and only lib/io/ writes.
 */
const readers =
  /^(type \w+|constants|existsSync|lstat|readFile|readFileSync|readdir|readdirSync|readlinkSync|stat|statSync|access|accessSync|createReadStream|realpath|Stats|Dirent)$/;

const maxLines = 330;
/** Files directly in one folder: as many as a reader takes in at a glance. */
const maxFiles = 15;

/** What is wrong with these files (path from the repository's root, text), one sentence each. */
export function violations(files: Map<string, string>): string[] {
  const found: string[] = [];
  for (const [file, text] of files) {
    const lines = text.trimEnd().split('\n').length;
    if (lines > maxLines) found.push(`${file} has ${lines} lines, more than ${maxLines}`);
    found.push(...headerViolations(file, text));
    if (/^binding(-types)?\.ts$/.test(file) || /^lib\/.*\.ts$/.test(file))
      found.push(...importViolations(file, text), ...writerViolations(file, text), ...numberViolations(file, text));
    if (/^native\/.*\.(cc|h|cu|cuh)$/.test(file))
      found.push(...includeViolations(file, text), ...exitViolations(file, text), ...spikeViolations(file, text));
  }
  return [...found, ...folderViolations([...files.keys()])];
}

/** What a file is about stands in `//`: a block comment describes a declaration, and programs would read it as one. */
function headerViolations(file: string, text: string): string[] {
  const header = /^(?:#!.*\n)?\/\*\*(?:(?!\*\/)[^])*\*\/\n(?:\n|import\b|export (?:type )?[{*])/;
  return /\.(ts|mjs|js)$/.test(file) && header.test(text) ? [`${file} begins with a block comment: use //`] : [];
}

/** A number that a module is written with has a name in capitals, as in the tables of limits and in most modules. */
function numberViolations(file: string, text: string): string[] {
  const numbers = text.matchAll(
    /^(?:export )?const ([a-z]\w*)(?:: number)? = -?[\d_.]+(?:e-?\d+|x[\da-f]+)?\b[^=>({]*;/gm,
  );
  return [...numbers].map(([, name]) => `${file} calls a number ${name}: use capitals`);
}

function folderViolations(files: string[]): string[] {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(posix.dirname(file), (counts.get(posix.dirname(file)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > maxFiles)
    .map(([folder, count]) => `${folder} holds ${count} files, more than ${maxFiles}`);
}

function libModule(path: string): string {
  if (/^binding(-types)?(\.ts)?$/.test(path)) return 'binding';
  return /^lib\/([^/.]+)/.exec(path)?.[1] ?? (path === 'lib' ? 'index' : path);
}

function importViolations(file: string, text: string): string[] {
  const from = libModule(file);
  const allowed = libArrows[from];
  if (!allowed) return [`${file} is in no known module of lib/`];
  const code = text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const imports = [...code.matchAll(/(?:\bfrom|\bimport|\b(?:import|require)\()\s*['"](\.[^'"]*)['"]/g)];
  return imports
    .map(([, target]) => posix.join(posix.dirname(file), target!))
    .filter((target) => libModule(target) !== from && !allowed.includes(libModule(target)))
    .filter((target) => !allowed.some((folder) => folder.includes('/') && target.startsWith(`lib/${folder}/`)))
    .map((target) => `${file} imports ${target}: ${from} may not use ${libModule(target)}`);
}

/** A file is complete or not there, and its errors have codes: that is written once. */
function writerViolations(file: string, text: string): string[] {
  if (!file.startsWith('lib/') || file.startsWith('lib/io/')) return [];
  const imports = text.matchAll(/^import (?:type )?([^;]+?) from ['"](?:node:)?fs(?:\/promises)?['"]/gm);
  // A file may be opened for reading.
  const opens = [...text.matchAll(/\bopen\(([^)]*)\)/g)].every(([, given]) => /, 'r'$/.test(given!));
  return [...imports]
    .flatMap(([, names]) => names!.replace(/[{}]/g, '').split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '' && !readers.test(name) && !(name === 'open' && opens))
    .map((name) => `${file} imports ${name} of node:fs: only lib/io/ writes files`);
}

/** A folder of native/, or the two files beside them that know every backend by name. */
const nativeModule = (name: string): string => name.replace(/^backends\.(h|cc)$/, 'backends');

function includeViolations(file: string, text: string): string[] {
  const module = nativeModule(file.split('/')[1]!);
  const allowed = nativeArrows[module];
  if (!allowed) return [`${file} is in no known module of native/`];
  const found: string[] = [];
  for (const [, open, header] of text.matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)) {
    const owner = headerOwners.find((rule) => rule.header.test(header!))?.owner;
    if (owner !== undefined) {
      if (!file.startsWith(owner)) found.push(`${file} includes ${header}: only ${owner} may`);
    } else if (open === '"' && !allowed.includes(nativeModule(header!.split('/')[0]!))) {
      found.push(`${file} includes ${header}: ${module} may not`);
    }
  }
  return found;
}

/**
 * Where a neuron fires is decided in native/ops alone: elsewhere nothing is compared with a threshold but numbers that
 * check its range, in the operators of C++ or in the functions of Highway. The oracle decides for itself, because it is
 * the judge.
 */
function spikeViolations(file: string, text: string): string[] {
  if (/^native\/(ops|test)\//.test(file)) return [];
  const code = text.replace(/\/\/.*$/gm, '');
  const name = String.raw`[\w.\->:()[\]]*[tT]hreshold\w*(?:\(\))?`;
  const comparisons = [
    String.raw`[^\s<>-]\s+[<>]=?\s+${name}`,
    String.raw`${name}\s+[<>]=?\s+[A-Za-z_(*]`,
    String.raw`\b(?:Gt|Ge|Lt|Le|greater|less|at_least)(?:<\w+>)?\([^;]*?[tT]hreshold`,
  ];
  const found = new RegExp(comparisons.join('|')).exec(code);
  return found ? [`${file} compares with a threshold (${found[0].trim()}): only native/ops decides a spike`] : [];
}

/** Native code lives in someone else's process: it reports a Status, it never ends it. */
function exitViolations(file: string, text: string): string[] {
  if (/^native\/(test|bench)\//.test(file)) return [];
  const code = text.replace(/\/\/.*$/gm, '');
  const call = /\b(?:std::(?:abort|exit|_Exit|quick_exit|terminate)|(?<![\w.>])(?:abort|exit|_exit))\s*\(/.exec(code);
  return call ? [`${file} calls ${call[0]}): native code never ends the process`] : [];
}
