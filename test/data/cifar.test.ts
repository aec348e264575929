import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { datasetInfo, loadDataset } from '../../lib/data';
import { cleanUp, expectError, temporaryFolder } from './support/helpers';
import { batch, cifar10Entries, writeArchive, writeCifar10, type Entry } from './support/cifar';

afterAll(cleanUp);

describe('CIFAR-10', () => {
  let parent: string;
  let folder: string;
  beforeEach(async () => {
    parent = temporaryFolder();
    folder = join(parent, 'cifar-10-batches-bin');
    await writeCifar10(folder);
  });

  test('loads from the folder, its parent, one of its files and the archive alike', async () => {
    const archive = join(temporaryFolder(), 'cifar-10-binary.tar.gz');
    await writeArchive(archive, cifar10Entries());
    const reference = await loadDataset('cifar10', { directory: folder });
    for (const directory of [parent, join(folder, 'data_batch_1.bin'), archive, join(archive, '..')]) {
      expect(await loadDataset('cifar10', { directory })).toEqual(reference);
    }
    const { train, test: held } = reference;
    expect([train.count, held.count, train.shape, train.classes[9]]).toEqual([20, 3, [3, 32, 32], 'truck']);
    expect([...train.labels.subarray(0, 6)]).toEqual([1, 2, 3, 4, 2, 3]);
    expect([...held.labels]).toEqual([6, 7, 8]);
    expect([train.pixels[0], train.pixels[1], train.pixels[3072], train.pixels[20 * 3072 - 1]]).toEqual([
      0,
      1,
      7,
      (21 + 3071) % 251,
    ]);
  });

  test('counts keep the first images', async () => {
    const all = await loadDataset('cifar10', { directory: folder });
    const few = await loadDataset('cifar10', { directory: folder, trainCount: 6, testCount: 2 });
    expect([few.train.count, few.test.count]).toEqual([6, 2]);
    expect([...few.train.labels]).toEqual([...all.train.labels.subarray(0, 6)]);
    expect(Buffer.compare(few.train.pixels, all.train.pixels.subarray(0, 6 * 3072))).toBe(0);
  });

  test('finds the set by ONESPIKE_DATA', async () => {
    const before = process.env.ONESPIKE_DATA;
    try {
      process.env.ONESPIKE_DATA = parent;
      expect((await loadDataset('cifar10')).train.count).toBe(20);
      await mkdir(join(parent, 'cifar10'));
      await expectError(loadDataset('cifar10'), 'ERR_IO', /cifar10/); // the set's own folder comes first
    } finally {
      if (before === undefined) delete process.env.ONESPIKE_DATA;
      else process.env.ONESPIKE_DATA = before;
    }
  });

  test('missing files are ERR_IO that say what to do', async () => {
    await expectError(
      loadDataset('cifar10', { directory: temporaryFolder() }),
      'ERR_IO',
      /onespike data fetch cifar10.*--data DIR/,
    );
    await expectError(loadDataset('cifar10', { directory: '/nowhere/at/all' }), 'ERR_IO', /\/nowhere\/at\/all/);
    await rm(join(folder, 'data_batch_3.bin'));
    await expectError(
      loadDataset('cifar10', { directory: folder }),
      'ERR_IO',
      /data_batch_3\.bin.*onespike data fetch cifar10/,
    );
  });

  test('damaged files are ERR_FORMAT that name file, offset and expectation', async () => {
    await truncate(join(folder, 'data_batch_2.bin'), 4 * 3073 - 1);
    await expectError(
      loadDataset('cifar10', { directory: folder }),
      'ERR_FORMAT',
      /3073 bytes in .*data_batch_2\.bin .*12291 bytes: the record at byte 9219 is incomplete/,
    );
    await truncate(join(folder, 'data_batch_2.bin'), 3 * 3073); // at the edge of a record
    await expectError(
      loadDataset('cifar10', { directory: folder }),
      'ERR_FORMAT',
      /4 records .*data_batch_2\.bin .*received 3/,
    );
    await truncate(join(folder, 'data_batch_2.bin'), 0);
    await expectError(loadDataset('cifar10', { directory: folder }), 'ERR_FORMAT', /data_batch_2\.bin/);
    await truncate(join(folder, 'data_batch_2.bin'), 30_730_001);
    await expectError(
      loadDataset('cifar10', { directory: folder }),
      'ERR_FORMAT',
      /at most 30730000 bytes in .*data_batch_2\.bin but received 30730001/,
    );
    const bad = batch(2);
    bad[2 * 3073] = 10;
    await writeFile(join(folder, 'data_batch_2.bin'), bad);
    await expectError(
      loadDataset('cifar10', { directory: folder, trainCount: 1 }),
      'ERR_FORMAT',
      /label from 0 to 9 at byte 6146 of .*data_batch_2\.bin but received 10/,
    );
    await rm(join(folder, 'data_batch_2.bin'));
    await mkdir(join(folder, 'data_batch_2.bin'));
    await expectError(loadDataset('cifar10', { directory: folder }), 'ERR_IO', /data_batch_2\.bin/);
  });

  test('a complete set with one file cut at the edge of a record is refused', async () => {
    await truncate(join(folder, 'test_batch.bin'), 10_000 * 3073);
    await expectError(
      loadDataset('cifar10', { directory: folder }),
      'ERR_FORMAT',
      /10000 records .*data_batch_1\.bin .*received 4/,
    );
  });

  test('archives: missing, doubled, linked, oversized entries and no archive at all', async () => {
    const path = join(temporaryFolder(), 'cifar-10-binary.tar.gz');
    const refused = async (entries: Entry[], message: RegExp): Promise<void> => {
      await writeArchive(path, entries);
      await expectError(loadDataset('cifar10', { directory: path }), 'ERR_FORMAT', message);
    };
    await refused(cifar10Entries().slice(0, -1), /an entry test_batch\.bin in .* received none/);
    await refused(
      [...cifar10Entries(), { name: 'again/test_batch.bin', content: batch(6, 3) }],
      /one entry test_batch\.bin .* two/,
    );
    await refused(
      [{ name: 'data_batch_1.bin', type: 'symlink', linkname: '/etc/passwd' }],
      /plain file for entry data_batch_1\.bin .* symlink/,
    );
    await refused(
      [{ name: 'data_batch_1.bin', content: Buffer.alloc(30_730_001) }],
      /at most 30730000 bytes for entry data_batch_1\.bin/,
    );
    await refused([], /an entry data_batch_1\.bin/);
    await writeFile(path, 'this is not gzip');
    await expectError(
      loadDataset('cifar10', { directory: path }),
      'ERR_FORMAT',
      /intact \.tar\.gz .*cifar-10-binary\.tar\.gz/,
    );
    await writeFile(path, gzipSync(Buffer.alloc(2000, 7)));
    await expectError(loadDataset('cifar10', { directory: path }), 'ERR_FORMAT', /intact \.tar\.gz/);
  });

  test('an archive that inflates without end is stopped', async () => {
    const path = join(temporaryFolder(), 'bomb.tar.gz');
    // A tar entry of 1 GB that nobody asked for, as gzip members: one of the header, 64 of 16 MB of zeros.
    const header = Buffer.alloc(512);
    header.write('zeros');
    header.write('0000644', 100);
    header.write('10000000000', 124); // size, octal
    header.fill(' ', 148, 156);
    header.write('0', 156);
    header.write('ustar\x0000', 257, 'latin1');
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const zeros = gzipSync(Buffer.alloc(2 ** 24), { level: 1 });
    await writeFile(path, Buffer.concat([gzipSync(header), ...Array<Buffer>(64).fill(zeros)]));
    await expectError(loadDataset('cifar10', { directory: path }), 'ERR_FORMAT', /at most \d+ bytes inflated/);
  });

  test('an abort is ERR_ABORTED', async () => {
    await expectError(loadDataset('cifar10', { directory: folder, signal: AbortSignal.abort() }), 'ERR_ABORTED');
    const archive = join(temporaryFolder(), 'cifar-10-binary.tar.gz');
    await writeArchive(archive, cifar10Entries());
    const controller = new AbortController();
    const loading = loadDataset('cifar10', { directory: archive, signal: controller.signal });
    controller.abort();
    await expectError(loading, 'ERR_ABORTED');
  });
});

describe('info', () => {
  test('tells what is known and what is here', async () => {
    const parent = temporaryFolder();
    expect(await datasetInfo('cifar10', { directory: parent })).toMatchObject({
      present: false,
      files: [],
      counts: { train: 50_000, test: 10_000 },
      shape: [3, 32, 32],
    });
    await writeCifar10(join(parent, 'cifar-10-batches-bin'));
    const info = await datasetInfo('cifar10', { directory: parent });
    expect(info.present).toBe(true);
    expect(info.files).toHaveLength(6);
    expect(info.files[0]).toEqual({ path: join(parent, 'cifar-10-batches-bin', 'data_batch_1.bin'), bytes: 4 * 3073 });
    expect(info.sources).toEqual(['https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz']);
    expect(info.citation).toMatch(/Krizhevsky/);
    expect(await datasetInfo('shapes')).toMatchObject({ present: true, counts: { train: 6000, test: 1000 } });
    expect(await datasetInfo('folder', { directory: parent })).toMatchObject({
      present: false,
      counts: null,
      shape: null,
      classes: null,
    });
    await expectError(datasetInfo('cifar11' as 'cifar10'), 'ERR_ARG', /did you mean 'cifar10'/);
  });
});

describe('arguments', () => {
  test('bad ones are ERR_ARG', async () => {
    await expectError(loadDataset('imagenet' as 'folder'), 'ERR_ARG', /one of 'shapes'/);
    await expectError(loadDataset('shapes', { trainCont: 5 } as object), 'ERR_ARG', /did you mean 'trainCount'/);
    for (const options of [
      { trainCount: 0 },
      { testCount: 1.5 },
      { seed: -1 },
      { directory: '' },
      { testShare: 1 },
      { size: 0 },
      { signal: 1 },
    ]) {
      await expectError(loadDataset('shapes', options as object), 'ERR_ARG');
    }
  });
});
