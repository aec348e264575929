// Which pictures of a folder are for training, validation and test, by the names of its folders or by a random split.
import { join } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { InputFile } from '../../../io/binary/input-file';
import { fileKind, KIND_BYTES } from '../../../io/file-kind';
import { SeededRandom } from '../../random';
import { countForTest } from '../../split';
import type { DataWarning, LoadOptions } from '../../types';
import { annotatedClasses, loosePictures } from './annotations';
import { listClasses, type Classes } from './classes';
import { LeftOut, list, type Listing } from './listing';

export type Part = 'train' | 'test' | 'validation';

export interface Item {
  path: string;
  label: number;
}

export interface Pictures {
  classes: string[];
  items: Record<Part, Item[]>;
  warnings: DataWarning[];
}

/** The stream word of the split of an unsplit folder. */
const SPLIT_STREAM = 0x666f6c64;

/** What people call the folder of each part, in any case. */
const partNames: Record<Part, readonly string[]> = {
  train: ['train', 'training'],
  test: ['test', 'testing'],
  validation: ['val', 'valid', 'validation'],
};

/**
 * The pictures of every part by their paths; none is opened.
 * Errors: ERR_IO, ERR_FORMAT where the layout is not one of those above.
 */
export async function findPictures(directory: string, options: LoadOptions): Promise<Pictures> {
  const root = await list(directory).catch(async (error: unknown) => {
    throw (await archiveError(directory)) ?? error;
  });
  const leftOut = new LeftOut();
  const folders = foldersOfParts(root);
  const found =
    folders === null ? await splitHere(root, options, leftOut) : await readParts(root, folders, options, leftOut);
  if (found.items.test.length === 0)
    throw new OneSpikeError('ERR_FORMAT', `Expected at least one test picture in ${directory} but received none`);
  const warnings: DataWarning[] = [...found.warnings, ...twinWarnings(found.classes)];
  const left = leftOut.text();
  if (left !== '') warnings.push({ code: 'DATA_LEFT_OUT', message: `left out of ${directory}: ${left}` });
  return { ...found, warnings };
}

/** The folder of each part, or null if the folders are classes: parts begin with training and one other. */
function foldersOfParts({ folders }: Listing): Map<Part, string> | null {
  const found = new Map<Part, string>();
  for (const part of Object.keys(partNames) as Part[]) {
    const name = folders.find((folder) => partNames[part].includes(folder.toLowerCase()));
    if (name !== undefined) found.set(part, name);
  }
  return found.has('train') && found.size > 1 ? found : null;
}

async function splitHere(
  root: Listing,
  { exclude = [], seed = 0, testShare = 0.2 }: LoadOptions,
  leftOut: LeftOut,
): Promise<Pictures> {
  const loose = await loosePictures(root);
  const annotated = loose === null ? null : await annotatedClasses(loose, undefined, undefined, leftOut);
  const found = annotated?.classes ?? (await listClasses(root, exclude, leftOut));
  const classes = namesOf(found, root);
  const items: Pictures['items'] = { train: [], test: [], validation: [] };
  classes.forEach((name, label) => {
    const paths = found.get(name)!;
    const taken = countForTest(paths.length, testShare);
    const order = new SeededRandom(seed, SPLIT_STREAM, label).shuffle(paths.map((_, i) => i));
    order.forEach((i, position) => items[position < taken ? 'test' : 'train'].push({ path: paths[i]!, label }));
  });
  return { classes, items, warnings: [] };
}

async function readParts(
  root: Listing,
  folders: Map<Part, string>,
  { exclude = [] }: LoadOptions,
  leftOut: LeftOut,
): Promise<Pictures> {
  const used = new Set<string>();
  const warnings: DataWarning[] = [];
  const found = new Map<Part, { listing: Listing; classes: Classes }>();
  let classes: string[] = [];
  // The part to train on comes first: it says which classes there are.
  for (const [part, folder] of folders) {
    const listing = await list(join(root.path, folder));
    const loose = await loosePictures(listing);
    const known = part === 'train' ? undefined : classes;
    const annotated = loose === null ? null : await annotatedClasses(loose, root, known, leftOut);
    if (loose !== null && annotated === null && part === 'test' && folders.has('validation')) {
      warnings.push({
        code: 'DATA_LAYOUT',
        message: `${listing.path} has ${loose.pictures.pictures.length} pictures without classes, which are not used`,
      });
      continue;
    }
    if (annotated !== null) used.add(annotated.table);
    const inside = annotated?.classes ?? (await listClasses(listing, exclude, leftOut));
    if (part === 'train') classes = namesOf(inside, listing);
    found.set(part, { listing, classes: inside });
  }
  leftOut.addFiles([...root.pictures, ...root.others.filter((name) => !used.has(join(root.path, name)))]);
  leftOut.addSystem(root.system);
  leftOut.add('folder', 'folders', root.folders.length - folders.size);
  const validation = found.get('validation');
  if (validation !== undefined && !found.has('test')) {
    found.delete('validation');
    found.set('test', validation);
    warnings.push({
      code: 'DATA_LAYOUT',
      message: `${root.path} has no test folder${folders.has('test') ? ' with classes' : ''}: the pictures of ${folders.get('validation')} are used as the test part`,
    });
  }
  const items: Pictures['items'] = { train: [], test: [], validation: [] };
  for (const [part, { listing, classes: inside }] of found) {
    for (const [name, paths] of inside) {
      const label = classes.indexOf(name);
      if (label < 0)
        throw new OneSpikeError(
          'ERR_FORMAT',
          `Expected the classes of ${join(root.path, folders.get('train')!)} in ${listing.path} but received ${name}`,
        );
      for (const path of paths) items[part].push({ path, label });
    }
  }
  return { classes, items, warnings };
}

/** Errors: ERR_FORMAT for fewer than two classes. */
function namesOf(classes: Classes, { path, pictures }: Listing): string[] {
  if (classes.size >= 2) return [...classes.keys()];
  const loose = pictures.length === 0 ? '' : ` and ${pictures.length} pictures outside of one`;
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected at least two class folders (or train/CLASS and test/CLASS) in ${path} but received ${classes.size}${loose}`,
  );
}

/** Names that differ in their characters alone: systems spell an accented letter as one character or as two. */
function twinWarnings(classes: readonly string[]): DataWarning[] {
  const seen = new Map<string, string>();
  return classes.flatMap((name): DataWarning[] => {
    const plain = name.normalize('NFC');
    if (seen.has(plain))
      return [
        {
          code: 'DATA_LAYOUT',
          message: `two classes are called ${plain}, spelt with other characters; they count as two`,
        },
      ];
    seen.set(plain, name);
    return [];
  });
}

/** What a person means who names an archive as the folder; null if `path` is none. */
async function archiveError(path: string): Promise<OneSpikeError | null> {
  const head = await InputFile.use(path, (file) => file.head(KIND_BYTES)).catch(() => null);
  if (head === null) return null;
  const kind = fileKind(head);
  const advice = kind?.endsWith('archive') ? '; unpack it and name the folder that it gives' : '';
  return new OneSpikeError(
    'ERR_IO',
    `Expected a folder of pictures at ${path} but received ${advice === '' ? 'a file' : kind}${advice}`,
  );
}
