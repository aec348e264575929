// The sets in the form of MNIST, in the folders of torchvision and as their archives unpack; EMNIST with its splits.
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { datasetInfo, loadDataset, type DatasetName } from '../../../lib/data';
import { InputFile } from '../../../lib/io/binary/input-file';
import { readEntry, readZip } from '../../../lib/io/binary/zip';
import { cleanUp, expectError, idxImages, idxLabels, temporaryFolder } from '../support/helpers';
import { expectations, foundIn, published } from '../support/published';

afterAll(cleanUp);

const files: [string, Buffer][] = [
  ['train-images-idx3-ubyte', idxImages(12)],
  ['train-labels-idx1-ubyte', idxLabels(12)],
  ['t10k-images-idx3-ubyte', idxImages(5)],
  ['t10k-labels-idx1-ubyte', idxLabels(5)],
];

async function writeIdx(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  return folder;
}

test.each([
  ['mnist', 'MNIST', '7'],
  ['fashion-mnist', 'FashionMNIST', 'Sneaker'],
  ['kmnist', 'KMNIST', 'ya'],
] as [DatasetName, string, string][])(
  '%s: the folders of torchvision and the files themselves',
  async (name, folder, seventh) => {
    const root = temporaryFolder();
    await writeIdx(join(root, folder, 'raw'));
    const reference = await loadDataset(name, { directory: await writeIdx(join(temporaryFolder(), 'plain')) });
    expect([reference.train.count, reference.test.count, reference.train.shape]).toEqual([12, 5, [1, 28, 28]]);
    expect(reference.train.classes[7]).toBe(seventh);
    for (const directory of [root, join(root, folder), join(root, folder, 'raw')]) {
      expect(await loadDataset(name, { directory })).toEqual(reference);
      expect(await datasetInfo(name, { directory })).toMatchObject({ present: true, files: { length: 4 } });
    }
    const other = name === 'kmnist' ? 'mnist' : 'kmnist';
    await expectError(loadDataset(other, { directory: root }), 'ERR_IO', new RegExp(`It holds the data set ${name}`));
  },
);

describe('emnist', () => {
  const archive = published('gzip.zip');
  const numbers = '0123456789';
  const upper = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  const classes: Record<string, string> = {
    letters: upper.toLowerCase(),
    balanced: `${numbers}${upper}abdefghnqrt`,
    byclass: `${numbers}${upper}${upper.toLowerCase()}`,
    digits: numbers,
  };
  /** The archive of NIST, unpacked in a folder of this name. */
  const unzipped = (inner: string): Promise<string> =>
    InputFile.use(archive, async (file) => {
      const folder = temporaryFolder();
      await mkdir(join(folder, inner, 'gzip'), { recursive: true });
      for (const [name, entry] of await readZip(file))
        await writeFile(join(folder, inner, name), await readEntry(file, entry, 2 ** 20));
      return folder;
    });

  test.each(Object.keys(classes))('%s is upright, with labels from 0, out of the archive', async (split) => {
    const { train, test } = await loadDataset('emnist', { directory: archive, split });
    expect({ train: foundIn(train), test: foundIn(test) }).toEqual(expectations[`emnist-${split}`]);
    expect(train.classes.join('')).toBe(classes[split]);
  });

  test('where torchvision and archivers put the files; balanced is the default', async () => {
    const raw = await unzipped('EMNIST/raw');
    const plain = join(temporaryFolder(), 'EMNIST', 'raw');
    await mkdir(plain, { recursive: true });
    const packed = join(raw, 'EMNIST', 'raw', 'gzip');
    for (const name of await readdir(packed))
      await writeFile(join(plain, name.replace(/\.gz$/, '')), gunzipSync(await readFile(join(packed, name))));
    const twice = temporaryFolder();
    await mkdir(join(twice, 'gzip'));
    await rename(packed, join(twice, 'gzip', 'gzip'));
    const zipped = temporaryFolder();
    await copyFile(archive, join(zipped, 'gzip.zip'));
    const places = [
      await unzipped('.'),
      await unzipped('EMNIST/raw'),
      join(plain, '..', '..'),
      join(plain, '..'),
      plain,
      twice,
      zipped,
    ];
    for (const directory of places) {
      const { train } = await loadDataset('emnist', { directory });
      expect(foundIn(train)).toEqual(expectations['emnist-balanced']!.train);
      expect(await datasetInfo('emnist', { directory })).toMatchObject({
        present: true,
        counts: { train: 112_800, test: 18_800 },
        classes: { length: 47 },
      });
    }
  });

  test('without balanced the only split, or a question; missing files and other splits', async () => {
    const directory = await unzipped('.');
    const remove = async (split: string): Promise<void> => {
      for (const name of await readdir(join(directory, 'gzip')))
        if (name.startsWith(`emnist-${split}-`)) await rm(join(directory, 'gzip', name));
    };
    await remove('balanced');
    await expectError(loadDataset('emnist', { directory }), 'ERR_ARG', /dataset\.split.* byclass, letters, digits/);
    await remove('byclass');
    await remove('digits');
    expect((await loadDataset('emnist', { directory })).train.classes).toHaveLength(26);
    await expectError(
      loadDataset('emnist', { directory, split: 'digits' }),
      'ERR_IO',
      /emnist-digits-train-images-idx3-ubyte.*data fetch emnist/,
    );
    await expectError(loadDataset('emnist', { directory, split: 'letter' }), 'ERR_ARG', /split.*letters/);
    await expectError(
      loadDataset('mnist', { directory, split: 'letters' }),
      'ERR_ARG',
      /no split for the data set mnist/,
    );
    await expectError(loadDataset('emnist', { directory: temporaryFolder() }), 'ERR_IO', /emnist-balanced-train/);
  });

  test('a label that the split does not have', async () => {
    const directory = await unzipped('.');
    const name = (split: string, kind: string): string =>
      join(directory, 'gzip', `emnist-${split}-train-${kind}-ubyte.gz`);
    await copyFile(name('byclass', 'labels-idx1'), name('letters', 'labels-idx1'));
    await expectError(
      loadDataset('emnist', { directory, split: 'letters' }),
      'ERR_FORMAT',
      /label from 1 to 26 at byte 8 of .*letters.* received 0/,
    );
  });
});
