// The Parquet files of a data set, and the part that each belongs to, by the names that Hugging Face gives them.
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { OneSpikeError } from '../../../errors';
import { ioError } from '../../../io/system-error';
import { statOrNull } from '../../files';

export type ParquetPart = 'train' | 'test' | 'validation';

/** `data/train-00000-of-00002.parquet`, `default/test/0000.parquet`. */
const DEEPEST = 3;
const partName = /^(?:(train(?:ing)?)|(test(?:ing)?)|(val(?:id(?:ation)?)?))(?:[-_.]|$)/i;

function partOf(path: string): ParquetPart | undefined {
  for (const name of [basename(path), basename(dirname(path))]) {
    const match = partName.exec(name);
    if (match !== null) return match[1] !== undefined ? 'train' : match[2] !== undefined ? 'test' : 'validation';
  }
  return undefined;
}

/** The files of every part, in the order of their names; those of no part are a set that is not divided. */
export async function findParquet(place: string): Promise<Map<ParquetPart | undefined, string[]>> {
  const paths = (await statOrNull(place))?.isFile() ? [place] : await filesWithin(place, DEEPEST);
  if (paths.length === 0)
    throw new OneSpikeError(
      'ERR_IO',
      `Expected Parquet files (train-….parquet, test-….parquet) in ${place} but found none`,
    );
  const parts = new Map<ParquetPart | undefined, string[]>();
  for (const path of paths) {
    const part = paths.length === 1 ? undefined : partOf(path);
    parts.set(part, [...(parts.get(part) ?? []), path]);
  }
  // Files beside those of a training part are no images of it.
  if (parts.has('train')) parts.delete(undefined);
  else if (parts.size > 1 || !parts.has(undefined)) return new Map([[undefined, paths]]);
  return parts;
}

async function filesWithin(folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw ioError('read', folder, error);
  });
  const sorted = entries.sort((a, b) => (a.name < b.name ? -1 : 1)).filter(({ name }) => !name.startsWith('.'));
  const paths: string[] = [];
  for (const entry of sorted) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) paths.push(...(depth > 1 ? await filesWithin(path, depth - 1) : []));
    else if (entry.name.endsWith('.parquet')) paths.push(path);
  }
  return paths;
}
