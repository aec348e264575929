// Pictures that lie together, whose classes a table beside them names: the validation part of ImageNet and of sets like
// it.
import { basename, extname, join } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { readBounded } from '../../files';
import type { Classes } from './classes';
import { list, type LeftOut, type Listing } from './listing';

/** A line of a hundred bytes for each of 600,000 pictures. */
const LARGEST_TABLE = 2 ** 26;

/** `val_annotations.txt` of Tiny-ImageNet, `LOC_val_solution.csv` of ImageNet, and what people call their own. */
const tableName = /^(?:[\w-]*[_-])?(?:annotations?|labels?|solution|ground_?truth)\.(?:txt|csv|tsv)$/i;

/** Pictures in one folder, without the folders of classes. */
export interface Loose {
  /** The folder that was named: `val`, whose pictures may lie in `val/images`. */
  listing: Listing;
  pictures: Listing;
}

/** The pictures of a folder that lie in itself or in `images` within it; null where there are folders of classes. */
export async function loosePictures(listing: Listing): Promise<Loose | null> {
  const { path, folders, pictures } = listing;
  if (folders.length === 0 && pictures.length > 0) return { listing, pictures: listing };
  if (folders.length !== 1 || folders[0]!.toLowerCase() !== 'images' || pictures.length > 0) return null;
  const inner = await list(join(path, folders[0]!));
  return inner.pictures.length > 0 && inner.folders.length === 0 ? { listing, pictures: inner } : null;
}

/**
 * The classes of loose pictures, and the path of the table that names them: it lies in their folder, in the one that
 * was named or, with the name of that in its own, in `around`. Null where there is no table.
 * Errors: ERR_FORMAT for a line that is none, or names a class that is not `known`; ERR_IO.
 */
export async function annotatedClasses(
  { listing, pictures }: Loose,
  around: Listing | undefined,
  known: readonly string[] | undefined,
  leftOut: LeftOut,
): Promise<{ classes: Classes; table: string } | null> {
  const table = tableOf(listing, pictures, around);
  if (table === undefined) return null;
  const files = new Map(pictures.pictures.flatMap((name) => [name, withoutExtension(name)].map((key) => [key, name])));
  const labelled = new Map<string, string>();
  const lines = (await readBounded(table, LARGEST_TABLE)).toString('utf8').split(/\r?\n/);
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    const [file, label] = cellsOf(line);
    const name = file === undefined ? undefined : (files.get(file) ?? files.get(basename(file)));
    // The first line may be a head, and a table may name pictures that are not there.
    if (name === undefined) return;
    const isClass = label !== undefined && label !== '' && (known === undefined || known.includes(label));
    if (!isClass || (labelled.has(name) && labelled.get(name) !== label))
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected the class of ${name}${known === undefined ? '' : ', one of the folders to train on,'} in line ${i + 1} of ${table} ` +
          `but received ${label === undefined || label === '' ? 'none' : labelled.has(name) ? 'a second one' : label.slice(0, 80)}`,
      );
    labelled.set(name, label);
  });
  const classes: Classes = new Map([...new Set(labelled.values())].sort().map((name) => [name, []]));
  for (const name of pictures.pictures) {
    const label = labelled.get(name);
    if (label === undefined) leftOut.add('unlabelled', 'pictures');
    else classes.get(label)!.push(join(pictures.path, name));
  }
  leftOut.addSystem([...listing.system, ...(pictures === listing ? [] : pictures.system)]);
  leftOut.addFiles(
    [...listing.others, ...(pictures === listing ? [] : pictures.others)].filter((name) => name !== basename(table)),
  );
  return { classes, table };
}

function tableOf(listing: Listing, pictures: Listing, around: Listing | undefined): string | undefined {
  for (const { path, others } of new Set([listing, pictures])) {
    const name = others.find((other) => tableName.test(other));
    if (name !== undefined) return join(path, name);
  }
  const part = basename(listing.path).toLowerCase();
  const name = around?.others.find(
    (other) => tableName.test(other) && other.toLowerCase().split(/[_.-]/).includes(part),
  );
  return name === undefined ? undefined : join(around!.path, name);
}

/** The file and the class of a line: cells between tabs, commas or blanks. Kaggle puts boxes behind the class. */
function cellsOf(line: string): string[] {
  const separator = line.includes('\t') ? '\t' : line.includes(',') ? ',' : /\s+/;
  const [file, label] = line
    .trim()
    .split(separator)
    .map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
  return [file!, ...(label === undefined ? [] : [separator === ',' ? label.replace(/^(n\d{8}) .*$/, '$1') : label])];
}

const withoutExtension = (name: string): string => name.slice(0, name.length - extname(name).length);
