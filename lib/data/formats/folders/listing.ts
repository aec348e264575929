// What a folder holds: folders, pictures and the rest; and what is left out of it, with the reason. Nothing is read
// here.
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';

import { ioError } from '../../../io/system-error';

export const pictureExtensions = ['.png', '.ppm', '.pgm', '.jpg', '.jpeg', '.webp', '.avif', '.gif', '.tif', '.tiff'];

/**
 * What systems and archivers leave in folders. Hidden entries (.DS_Store, .ipynb_checkpoints) are passed over as well.
 */
const systemNames = new Set([
  '__macosx',
  'lost+found',
  '$recycle.bin',
  'system volume information',
  '@eadir',
  'thumbs.db',
  'desktop.ini',
]);

/** The entries of a folder, names in code point order, which no locale changes. */
export interface Listing {
  path: string;
  folders: string[];
  pictures: string[];
  others: string[];
  /** Hidden entries, and what systems leave. */
  system: string[];
}

/** Errors: ERR_IO. */
export async function list(path: string): Promise<Listing> {
  const listing: Listing = { path, folders: [], pictures: [], others: [], system: [] };
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw ioError('read', path, error);
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
    const { name } = entry;
    if (name.startsWith('.') || systemNames.has(name.toLowerCase())) listing.system.push(name);
    else if (await isFolder(join(path, name), entry)) listing.folders.push(name);
    else if (pictureExtensions.includes(extname(name).toLowerCase())) listing.pictures.push(name);
    else listing.others.push(name);
  }
  return listing;
}

/** A link that leads nowhere is no folder: named like a picture, it is one that cannot be read. */
async function isFolder(path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

/** Why something is left out, in the order in which the reasons are told. */
const reasons = {
  system: 'hidden, or left there by a system',
  kind: 'not pictures of a kind that is read',
  folder: 'of runs, or without a class',
  unlabelled: 'without an annotation',
} as const;

/** Counts what was left out, by reason and kind (`.bmp`, `folders`). */
export class LeftOut {
  readonly #counts = new Map<keyof typeof reasons, Map<string, number>>();

  add(reason: keyof typeof reasons, kind: string, count = 1): void {
    if (count === 0) return;
    const counts = this.#counts.get(reason) ?? new Map<string, number>();
    this.#counts.set(reason, counts.set(kind, (counts.get(kind) ?? 0) + count));
  }

  addFiles(names: readonly string[]): void {
    for (const name of names) this.add('kind', `${extname(name).toLowerCase() || 'unnamed'} files`);
  }

  addSystem(names: readonly string[]): void {
    for (const name of names) this.add('system', name);
  }

  /** `3 .bmp files, 1 .txt file (not pictures of a kind that is read)`, or '' if nothing was left out. */
  text(): string {
    const order = Object.keys(reasons) as (keyof typeof reasons)[];
    return order
      .filter((reason) => this.#counts.has(reason))
      .map((reason) => `${kindsText(this.#counts.get(reason)!)} (${reasons[reason]})`)
      .join('; ');
  }
}

/** `30 .bmp files, 2 .txt files`. */
export function kindsText(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([kind, count]) => `${count} ${count === 1 ? kind.replace(/(file|folder|picture)s$/, '$1') : kind}`)
    .join(', ');
}
