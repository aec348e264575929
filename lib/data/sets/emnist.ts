// EMNIST: handwritten letters and digits of 28x28, in six splits.
import { OneSpikeError } from '../../errors';
import { loadIdx, locateIdx, type IdxSet } from '../formats/idx/idx';
import { digits } from './mnist';
import { smallNetwork, type DataSource } from './source';

const upperCase = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const lowerCase = [...'abcdefghijklmnopqrstuvwxyz'];
/** The 15 letters whose two cases look alike are one class of the merged splits. */
const merged = [...digits, ...upperCase, ...'abdefghnqrt'];

const splits = {
  byclass: { classes: [...digits, ...upperCase, ...lowerCase], counts: { train: 697_932, test: 116_323 } },
  bymerge: { classes: merged, counts: { train: 697_932, test: 116_323 } },
  balanced: { classes: merged, counts: { train: 112_800, test: 18_800 } },
  // The labels of letters begin with 1.
  letters: { classes: lowerCase, counts: { train: 124_800, test: 20_800 }, firstLabel: 1 },
  digits: { classes: digits, counts: { train: 240_000, test: 40_000 } },
  mnist: { classes: digits, counts: { train: 60_000, test: 10_000 } },
} as const satisfies Record<string, Pick<IdxSet, 'classes' | 'counts' | 'firstLabel'>>;
type Split = keyof typeof splits;
const splitNames = Object.keys(splits) as Split[];
const archive = 'gzip.zip';

const setOf = (split: Split): IdxSet => ({
  name: 'emnist',
  folder: 'EMNIST',
  prefixes: { train: `emnist-${split}-train`, test: `emnist-${split}-test` },
  archive,
  transposed: true,
  ...splits[split],
});

/** The splits whose four files are in a directory. */
async function completeSplits(directory: string): Promise<Split[]> {
  const found: Split[] = [];
  for (const split of splitNames) if ((await locateIdx(setOf(split), directory)).present) found.push(split);
  return found;
}

/** `balanced`, or the only split that is there. Errors: ERR_ARG where there are several others. */
async function chooseSplit(directory: string): Promise<Split> {
  if ((await locateIdx(setOf('balanced'), directory)).present) return 'balanced';
  const [first = 'balanced', ...others] = await completeSplits(directory);
  if (others.length === 0) return first;
  throw new OneSpikeError(
    'ERR_ARG',
    `Expected a split for the data set emnist (dataset.split) but received none, and ${directory} holds ${[first, ...others].join(', ')}`,
  );
}

export const emnist: DataSource = {
  info: {
    title: 'EMNIST, handwritten letters and digits',
    homepage: 'https://www.nist.gov/itl/products-and-services/emnist-dataset',
    licence:
      'No licence is stated; the set is derived from NIST Special Database 19, a work of the government of the USA',
    citation:
      'G. Cohen, S. Afshar, J. Tapson, A. van Schaik, EMNIST: an extension of MNIST to handwritten letters, arXiv:1702.05373, 2017',
    shape: [1, 28, 28],
    classes: null,
    counts: null,
  },
  kind: 'public',
  download: {
    urls: ['https://biometrics.nist.gov/cs_links/EMNIST/', 'https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/'],
    files: [{ name: archive, md5: '58c8d27c78d21e728a6bc7b3cc06412e', size: 561_753_746 }],
  },
  options: ['directory', 'split', 'trainCount', 'testCount'],
  splits: splitNames,
  locate: async (directory) => {
    const [first, ...others] = await completeSplits(directory);
    if (first === undefined) return { paths: (await locateIdx(setOf('balanced'), directory)).paths, present: false };
    const split = others.includes('balanced') ? 'balanced' : first;
    const { classes, counts } = splits[split];
    return { paths: (await locateIdx(setOf(split), directory)).paths, present: true, classes: [...classes], counts };
  },
  load: async (directory, options) => {
    const split = (options.split as Split | undefined) ?? (await chooseSplit(directory));
    return loadIdx(setOf(split), directory, options);
  },
  recipe: { model: smallNetwork, ann: { epochs: 6 }, snn: { epochs: 4 } },
};
