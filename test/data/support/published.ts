// Small sets as others publish them (scripts/references/data-files.py), and what the readers of Python find in them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ImageSet } from '../../../lib/data';
import { temporaryFolder } from './helpers';

const folder = join(__dirname, '..', 'files');

export const published = (name: string): string => join(folder, name);

/** One part of a set as Python reads it; the pixels by their SHA-256. */
export interface Found {
  count: number;
  labels: number[];
  pixels: string;
}

export const expectations = JSON.parse(readFileSync(published('expected.json'), 'utf8')) as Record<
  string,
  Record<string, Found>
> & { pictures: Record<string, { size: [number, number]; pixels: string }> };

export function foundIn({ count, labels, pixels }: ImageSet): Found {
  return { count, labels: [...labels], pixels: createHash('sha256').update(pixels).digest('hex') };
}

/** A fresh folder with the contents of an archive. */
export function unpacked(name: string, into = temporaryFolder()): string {
  execFileSync('tar', ['-xzf', published(name), '-C', into]);
  return into;
}
