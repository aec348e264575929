// Tiny-ImageNet: 110,000 photographs of 64x64 in 200 classes of ImageNet, and 10,000 more whose classes are not
// published.
import { join } from 'node:path';

import { OneSpikeError } from '../../errors';
import { loadFound } from '../formats/folders/load';
import { findPictures, type Pictures } from '../formats/folders/parts';
import { readBounded, statOrNull } from '../files';
import type { LoadOptions } from '../types';
import { cropsAndFlips, locatedBy, type DataSource } from './source';

const SIDE = 64;
const LARGEST_TEXT = 2 ** 24;

/** The folder that the archive unpacks to, which may be in the one that was named. */
async function rootOf(directory: string): Promise<string> {
  const inner = join(directory, 'tiny-imagenet-200');
  return (await statOrNull(join(inner, 'train')))?.isDirectory() ? inner : directory;
}

/** The lines of a text file that is there. */
async function linesOf(path: string): Promise<string[]> {
  if ((await statOrNull(path)) === null) return [];
  const text = await readBounded(path, LARGEST_TEXT);
  return text
    .toString('utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

/** Errors: ERR_FORMAT where wnids.txt lists other classes than there are folders. */
async function checkClasses(root: string, classes: readonly string[]): Promise<void> {
  const path = join(root, 'wnids.txt');
  const listed = (await linesOf(path)).map((line) => line.trim());
  if (listed.length === 0) return;
  const refuse = (what: string, received: string): OneSpikeError =>
    new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} in ${join(root, 'train')}, as ${path} lists them, but received ${received}`,
    );
  const unknown = classes.find((name) => !listed.includes(name));
  if (unknown !== undefined) throw refuse('the classes', `the folder ${unknown}`);
  const missing = listed.find((name) => !classes.includes(name));
  if (missing !== undefined) throw refuse(`a folder ${missing}`, 'none');
}

/** What words.txt calls the classes: the first of their names, with the number of WordNet where two have the same. */
async function namesOf(root: string, classes: readonly string[]): Promise<string[]> {
  const lines = (await linesOf(join(root, 'words.txt'))).map((line) => line.split('\t'));
  const words = new Map(lines.map(([wnid, names = '']) => [wnid!, names.split(',')[0]!.trim()]));
  const names = classes.map((wnid) => words.get(wnid) || wnid);
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${classes[i]})`));
}

async function find(root: string): Promise<Pictures> {
  const found = await findPictures(root, {});
  await checkClasses(root, found.classes);
  // That the published validation part is the test part, and what the archive holds beside pictures, is known.
  return { ...found, classes: await namesOf(root, found.classes), warnings: [] };
}

export const tinyImagenet: DataSource = {
  info: {
    title: 'Tiny-ImageNet, colour photographs in 200 classes; the test part is the published validation part',
    homepage: 'http://cs231n.stanford.edu/',
    licence: 'That of ImageNet: for non-commercial research and education',
    citation: 'Y. Le, X. Yang, Tiny ImageNet Visual Recognition Challenge, CS 231N, Stanford University, 2015',
    shape: [3, SIDE, SIDE],
    classes: null,
    counts: { train: 100_000, test: 10_000 },
  },
  kind: 'own',
  download: {
    urls: ['http://cs231n.stanford.edu/'],
    files: [{ name: 'tiny-imagenet-200.zip', md5: '90528d7ca1a48142e341f4ef8d21d0de', size: 248_100_043 }],
  },
  options: ['directory', 'seed', 'trainCount', 'testCount', 'size', 'skipUnreadable', 'mixedSizes'],
  locate: (directory) => locatedBy(async () => ({ paths: [], classes: (await find(await rootOf(directory))).classes })),
  load: async (directory, options: LoadOptions, keep) => {
    const root = await rootOf(directory);
    return loadFound(root, await find(root), { ...options, size: options.size ?? SIDE }, keep);
  },
  recipe: { ann: { epochs: 40, augment: cropsAndFlips }, snn: { epochs: 20, augment: cropsAndFlips } },
};
