// CIFAR in the version for Python: what pickles of Python 2 and 3 hold, in the places where people have them.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { datasetInfo, loadDataset } from '../../../lib/data';
import { writeCifar10 } from '../support/cifar';
import { cleanUp, expectError, temporaryFolder } from '../support/helpers';
import { expectations, foundIn, published, unpacked } from '../support/published';

afterAll(cleanUp);

describe.each([
  ['cifar10', 'cifar-10-python.tar.gz', 'cifar-10-batches-py', 'data_batch_3', 'test_batch'],
  ['cifar100', 'cifar-100-python.tar.gz', 'cifar-100-python', 'train', 'test'],
] as const)('%s', (name, archive, inner, trainFile, testFile) => {
  const root = unpacked(archive);

  test.each([
    ['the root of torchvision', root],
    ['its own folder', join(root, inner)],
    ['one of its files', join(root, inner, trainFile)],
    ['the archive', published(archive)],
    ['the folder of the archive', temporaryFolder()],
  ])('%s gives what Python reads', async (kind, directory) => {
    if (kind === 'the folder of the archive') await copyFile(published(archive), join(directory, archive));
    const loaded = await loadDataset(name, { directory });
    expect({ train: foundIn(loaded.train), test: foundIn(loaded.test) }).toEqual(expectations[name]);
    expect([loaded.train.shape, loaded.train.classes.length]).toEqual([[3, 32, 32], name === 'cifar10' ? 10 : 100]);
    expect(await datasetInfo(name, { directory })).toMatchObject({ present: true });
  });

  test('the first images, and what is missing', async () => {
    const loaded = await loadDataset(name, { directory: root, trainCount: 3, testCount: 1 });
    expect([...loaded.train.labels]).toEqual(expectations[name]!.train!.labels.slice(0, 3));
    expect(loaded.test.count).toBe(1);
    const partial = unpacked(archive);
    await rm(join(partial, inner, testFile));
    expect(await datasetInfo(name, { directory: partial })).toMatchObject({ present: false });
    await expectError(
      loadDataset(name, { directory: partial }),
      'ERR_IO',
      new RegExp(`file at .*/${testFile} but found none.*data fetch ${name}`),
    );
  });
});

const variants = unpacked('pickles.tar.gz');

test.each([
  'protocol2',
  'protocol3',
  'protocol4',
  'protocol5',
  'bytes',
  'array',
  'big-endian',
  'numbers',
  'columns',
  'images',
])('a dictionary that Python 3 wrote: %s', async (variant) => {
  const directory = unpacked('cifar-100-python.tar.gz');
  await copyFile(join(variants, variant), join(directory, 'cifar-100-python', 'train'));
  const { train } = await loadDataset('cifar100', { directory });
  expect(foundIn(train)).toEqual(expectations.cifar100!.train);
});

test('the binary version comes first where both are', async () => {
  const directory = unpacked('cifar-10-python.tar.gz');
  await writeCifar10(join(directory, 'cifar-10-batches-bin'));
  expect((await loadDataset('cifar10', { directory })).train.count).toBe(20);
});

test('a pickle whose size is one of binary records is a pickle', async () => {
  const directory = unpacked('cifar-10-python.tar.gz');
  const place = join(directory, 'cifar-10-batches-py');
  for (const file of await readdir(place)) {
    const bytes = await readFile(join(place, file));
    await writeFile(join(place, file), Buffer.concat([bytes, Buffer.alloc(3073 * 3 - bytes.length)]));
  }
  expect(foundIn((await loadDataset('cifar10', { directory })).train)).toEqual(expectations.cifar10!.train);
});

describe('refused', () => {
  const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
  const refused = async (pickle: Buffer, message: RegExp): Promise<void> => {
    const directory = unpacked('cifar-100-python.tar.gz');
    await writeFile(join(directory, 'cifar-100-python', 'train'), pickle);
    await expectError(loadDataset('cifar100', { directory }), 'ERR_FORMAT', message);
  };
  const original = readFile(join(unpacked('cifar-100-python.tar.gz'), 'cifar-100-python', 'train'));
  const changed = async (from: string, to: string): Promise<Buffer> => {
    const text = (await original).toString('latin1');
    expect(text.includes(from)).toBe(true);
    return latin(text.replace(from, to));
  };

  test('names that would run something, by their names, and nothing runs', async () => {
    await refused(
      latin('\x80\x02cos\nsystem\nU\x0etouch executed\x85R.'),
      /'os\.system', which was not called: .*NumPy/,
    );
    await refused(latin('\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.'), /'builtins\.eval'/);
    await refused(latin('\x80\x02]]\x93.'), /two texts as a name/);
    await refused(await changed('cnumpy\ndtype\n', 'cnumpy\nload\n'), /'numpy\.load'/);
    expect(existsSync('executed')).toBe(false);
  });

  test('another dictionary, other types and other numbers', async () => {
    await refused(latin('\x80\x02].'), /a dictionary in .*train but received an array/);
    await refused(latin('\x80\x02}.'), /array of pixels 'data' .* undefined/);
    await refused(await changed('fine_labels', 'nice_labels'), /labels 'fine_labels' .* the entries .*nice_labels/);
    await refused(await changed('U\x02u1', 'U\x02f4'), /array of integers at byte \d+ of .* type 'f4'/);
    await refused(await changed('U\x02u1', 'U\x02u2'), /18432 bytes of an array .* received 9216/);
    // 99, the second fine label, becomes 100.
    await refused(await changed('Kc', 'Kd'), /label from 0 to 99 of image 1 in .* received 100/);
    await refused((await original).subarray(0, 5000), /more bytes at byte .* the end of the pickle/);
  });

  test('the pickles of CIFAR-10 under the name of CIFAR-100, and the other way round', async () => {
    const directory = unpacked('cifar-10-python.tar.gz');
    await expectError(loadDataset('cifar100', { directory }), 'ERR_IO', /It holds the data set cifar10/);
    const renamed = unpacked('cifar-10-python.tar.gz');
    await rename(join(renamed, 'cifar-10-batches-py'), join(renamed, 'cifar-100-python'));
    await mkdir(join(renamed, 'x'));
    const place = join(renamed, 'cifar-100-python');
    await rename(join(place, 'data_batch_1'), join(place, 'train'));
    await rename(join(place, 'test_batch'), join(place, 'test'));
    await expectError(loadDataset('cifar100', { directory: renamed }), 'ERR_FORMAT', /labels 'fine_labels'/);
  });
});
