// ImageNet-style folders: pictures at any depth of a class, a validation part whose classes a table names,
// Tiny-ImageNet.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { datasetInfo, fetchDataset, loadDataset, type LoadedDataset } from '../../../lib/data';
import { cleanUp, expectError, netpbm, temporaryFolder } from '../support/helpers';

afterAll(cleanUp);

const picture = (value: number, side = 4): Buffer => netpbm(side, side, new Uint8Array(3 * side * side).fill(value));

/** A folder of files by their paths; a number is a picture of that brightness. */
async function folderOf(files: Record<string, number | string | Buffer>): Promise<string> {
  const root = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), typeof content === 'number' ? picture(content) : content);
  }
  return root;
}

const load = (directory: string, options: object = {}): Promise<LoadedDataset> =>
  loadDataset('folder', { directory, size: 4, ...options });
/** Brightness -> label of the images of a part. */
const labelsBy = ({ pixels, labels }: LoadedDataset['train']): Record<number, number> =>
  Object.fromEntries([...labels].map((label, i) => [pixels[i * 48]!, label]));
const messages = ({ warnings }: LoadedDataset): string[] => warnings.map(({ code, message }) => `${code} ${message}`);

describe('pictures at any depth', () => {
  test('belong to the class above them, in train and val', async () => {
    const directory = await folderOf({
      'train/cat/1.ppm': 1,
      'train/cat/2024/may/2.ppm': 2,
      'train/dog/images/3.ppm': 3,
      'val/cat/4.ppm': 4,
      'val/dog/a/5.ppm': 5,
    });
    const loaded = await load(directory);
    expect([labelsBy(loaded.train), labelsBy(loaded.test)]).toEqual([
      { 1: 0, 2: 0, 3: 1 },
      { 4: 0, 5: 1 },
    ]);
    expect(await datasetInfo('folder', { directory })).toMatchObject({ counts: { train: 3, test: 2 } });
  });

  test('runs within a class and links in a circle are not followed', async () => {
    const directory = await folderOf({
      'cat/a/1.ppm': 1,
      'cat/b/2.ppm': 2,
      'cat/old/run.json': '{}',
      'cat/old/3.ppm': 3,
      'dog/4.ppm': 4,
      'dog/5.ppm': 5,
    });
    await symlink(join(directory, 'cat'), join(directory, 'cat', 'a', 'again'));
    await symlink(directory, join(directory, 'dog', 'up'));
    await symlink(join(directory, 'dog'), join(directory, 'dog', 'self'));
    await rm(join(directory, 'dog', 'up'));
    const loaded = await load(directory);
    expect({ ...labelsBy(loaded.train), ...labelsBy(loaded.test) }).toEqual({ 1: 0, 2: 0, 4: 1, 5: 1 });
    expect(messages(loaded)).toEqual([expect.stringMatching(/3 folders \(of runs, or without a class\)$/)]);
  });
});

describe('annotations', () => {
  const train = { 'train/cat/1.ppm': 1, 'train/dog/2.ppm': 2 };
  const loose = { 'val/3.ppm': 3, 'val/4.ppm': 4, 'val/5.ppm': 5 };

  test.each<[string, Record<string, number | string>]>([
    [
      'val_annotations.txt beside images',
      {
        'val/images/3.ppm': 3,
        'val/images/4.ppm': 4,
        'val/images/5.ppm': 5,
        'val/val_annotations.txt': '3.ppm\tdog\t0\t0\t9\t9\n4.ppm\tcat\t0\t0\t9\t9\r\n5.ppm\tdog\n',
      },
    ],
    [
      'annotations.csv with a head',
      { ...loose, 'val/annotations.csv': 'file,class\n"3.ppm",dog\nval/4.ppm,"cat"\n5.ppm,dog\n' },
    ],
    ['a table around the parts', { ...loose, 'val_labels.txt': '3 dog\n4 cat\n5 dog\n' }],
  ])('%s', async (_kind, files) => {
    const { test: held, warnings } = await load(await folderOf({ ...train, ...files }));
    expect(labelsBy(held)).toEqual({ 3: 1, 4: 0, 5: 1 });
    expect(warnings.map(({ code }) => code)).not.toContain('DATA_LEFT_OUT');
  });

  test('the solution of Kaggle, with boxes behind the class', async () => {
    const directory = await folderOf({
      'train/n01440764/a.ppm': 1,
      'train/n02123045/b.ppm': 2,
      'val/ILSVRC2012_val_00000001.ppm': 3,
      'LOC_val_solution.csv':
        'ImageId,PredictionString\nILSVRC2012_val_00000001,n02123045 1 2 3 4 n02123045 5 6 7 8 \n',
    });
    expect(labelsBy((await load(directory)).test)).toEqual({ 3: 1 });
  });

  test('a whole set in one folder with a table is split here', async () => {
    const files = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`images/${i}.ppm`, 10 + i]));
    const table = Array.from({ length: 10 }, (_, i) => `${i}.ppm,${i % 2 === 0 ? 'even' : 'odd'}`).join('\n');
    const loaded = await load(await folderOf({ ...files, 'labels.csv': table }));
    expect([loaded.train.classes, loaded.train.count, loaded.test.count]).toEqual([['even', 'odd'], 8, 2]);
    for (const [value, label] of Object.entries(labelsBy(loaded.train))) expect(label).toBe(Number(value) % 2);
  });

  test('pictures that the table does not name are counted, a test part without classes is not used', async () => {
    const directory = await folderOf({
      ...train,
      ...loose,
      'val/val_annotations.txt': '3.ppm\tdog\nabsent.ppm\tbird\n',
      'test/images/6.ppm': 6,
      'test/images/7.ppm': 7,
    });
    const loaded = await load(directory);
    expect(labelsBy(loaded.test)).toEqual({ 3: 1 });
    expect(messages(loaded)).toEqual([
      `DATA_LAYOUT ${join(directory, 'test')} has 2 pictures without classes, which are not used`,
      `DATA_LAYOUT ${directory} has no test folder with classes: the pictures of val are used as the test part`,
      `DATA_LEFT_OUT left out of ${directory}: 2 pictures (without an annotation)`,
    ]);
  });

  test.each([
    [
      '3.ppm\tbird\n',
      /class of 3\.ppm, one of the folders to train on, in line 1 of .*val_annotations\.txt but received bird/,
    ],
    ['3.ppm\n', /line 1 .* received none/],
    ['3.ppm\tcat\n\n3.ppm\tdog\n', /line 3 .* received a second one/],
  ])('%j is refused', async (table, message) => {
    await expectError(
      load(await folderOf({ ...train, ...loose, 'val/val_annotations.txt': table })),
      'ERR_FORMAT',
      message,
    );
  });
});

describe('mixed sizes', () => {
  const files = { 'cat/1.ppm': 1, 'cat/2.ppm': picture(2, 6), 'dog/3.ppm': 3, 'dog/4.ppm': 4 };

  test('are fitted, or refused with both sizes', async () => {
    const directory = await folderOf(files);
    expect((await load(directory)).train.count).toBe(2);
    await expectError(
      load(directory, { mixedSizes: 'refuse', testShare: 0.01, seed: 2 }),
      'ERR_FORMAT',
      /pictures of one size .*(4x4 .*6x6|6x6 .*4x4).*dataset\.mixedSizes=resize/,
    );
    await writeFile(join(directory, 'cat/2.ppm'), picture(2));
    expect((await load(directory, { mixedSizes: 'refuse' })).train.count).toBe(2);
    await expectError(load(directory, { mixedSizes: 'crop' }), 'ERR_ARG', /'resize'/);
  });
});

describe('tiny-imagenet', () => {
  const published = {
    'wnids.txt': 'n02124075\nn01443537\nn01629819\n',
    'words.txt':
      'n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\nn01629819\tgoldfish\n',
    'train/n01443537/images/n01443537_0.ppm': 1,
    'train/n01443537/n01443537_boxes.txt': 'n01443537_0.ppm\t0\t10\t63\t58\n',
    'train/n01629819/images/n01629819_0.ppm': 2,
    'train/n02124075/images/n02124075_0.ppm': 3,
    'val/images/val_0.ppm': 4,
    'val/images/val_1.ppm': 5,
    'val/val_annotations.txt': 'val_0.ppm\tn02124075\t0\t32\t44\t62\nval_1.ppm\tn01443537\t52\t55\t57\t59\n',
    'test/images/test_0.ppm': 6,
  };
  const inFolder = (folder: string) =>
    folderOf(Object.fromEntries(Object.entries(published).map(([path, content]) => [join(folder, path), content])));

  test.each(['.', 'tiny-imagenet-200'])('as it is published, in %s', async (folder) => {
    const directory = await inFolder(folder);
    const loaded = await loadDataset('tiny-imagenet', { directory });
    expect(loaded.train.shape).toEqual([3, 64, 64]);
    expect(loaded.train.classes).toEqual(['goldfish (n01443537)', 'goldfish (n01629819)', 'Egyptian cat']);
    const small = await loadDataset('tiny-imagenet', { directory, size: 4 });
    expect([labelsBy(small.train), labelsBy(small.test), small.warnings]).toEqual([
      { 1: 0, 2: 1, 3: 2 },
      { 4: 2, 5: 0 },
      [],
    ]);
    expect(await datasetInfo('tiny-imagenet', { directory })).toMatchObject({ present: true, classes: { length: 3 } });
  });

  test('folders and lists that differ, and no download', async () => {
    const directory = await inFolder('.');
    await writeFile(join(directory, 'wnids.txt'), 'n02124075\nn01443537\nn01629819\nn09999999\n');
    await expectError(
      loadDataset('tiny-imagenet', { directory }),
      'ERR_FORMAT',
      /folder n09999999 in .*train, as .*wnids\.txt/,
    );
    await writeFile(join(directory, 'wnids.txt'), 'n02124075\nn01443537\n');
    await expectError(loadDataset('tiny-imagenet', { directory }), 'ERR_FORMAT', /the folder n01629819/);
    await expectError(
      fetchDataset('tiny-imagenet'),
      'ERR_ARG',
      /tiny-imagenet-200\.zip \(MD5 [0-9a-f]{32}\), unpack it.*--data/,
    );
    expect(await datasetInfo('tiny-imagenet', { directory: temporaryFolder() })).toMatchObject({ present: false });
  });
});
