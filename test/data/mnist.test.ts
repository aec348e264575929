import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { datasetInfo, loadDataset } from '../../lib/data';
import { cleanUp, expectError, idxImages, idxLabels, temporaryFolder } from './support/helpers';

afterAll(cleanUp);

async function writeMnist(folder: string, gzip = false): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files: [string, Buffer][] = [
    ['train-images-idx3-ubyte', idxImages(12)],
    ['train-labels-idx1-ubyte', idxLabels(12)],
    ['t10k-images-idx3-ubyte', idxImages(5)],
    ['t10k-labels-idx1-ubyte', idxLabels(5)],
  ];
  for (const [name, bytes] of files)
    await writeFile(join(folder, gzip ? `${name}.gz` : name), gzip ? gzipSync(bytes) : bytes);
}

test('loads plain and gzipped files, and where torchvision keeps them', async () => {
  const [plain, packed, nested] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  await writeMnist(plain);
  await writeMnist(packed, true);
  await writeMnist(join(nested, 'MNIST', 'raw'));
  const reference = await loadDataset('mnist', { directory: plain });
  for (const directory of [packed, nested]) expect(await loadDataset('mnist', { directory })).toEqual(reference);
  expect([reference.train.count, reference.test.count, reference.train.shape, reference.mean.length]).toEqual([
    12,
    5,
    [1, 28, 28],
    1,
  ]);
  expect([...reference.train.labels.subarray(8)]).toEqual([8, 9, 0, 1]);
  expect(reference.train.pixels[0]).toBe((16 * 31) % 256);
  expect((await loadDataset('mnist', { directory: packed, trainCount: 3, testCount: 1 })).train.count).toBe(3);
  expect(await datasetInfo('mnist', { directory: packed })).toMatchObject({ present: true, shape: [1, 28, 28] });
});

test('names with a dot before idx, and folders named as the files in them, as archives unpack them', async () => {
  const [plain, dotted, folders] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  await writeMnist(plain);
  const reference = await loadDataset('mnist', { directory: plain });
  for (const name of await readdir(plain)) {
    const dot = name.replace('-idx', '.idx');
    await copyFile(join(plain, name), join(dotted, dot));
    await mkdir(join(folders, dot));
    await copyFile(join(plain, name), join(folders, dot, name));
  }
  for (const directory of [dotted, folders]) {
    expect(await loadDataset('mnist', { directory })).toEqual(reference);
    expect(await datasetInfo('mnist', { directory })).toMatchObject({ present: true, files: { length: 4 } });
  }
  await rm(join(folders, 't10k-labels.idx1-ubyte', 't10k-labels-idx1-ubyte'));
  await expectError(loadDataset('mnist', { directory: folders }), 'ERR_IO', /t10k-labels-idx1-ubyte .* found neither/);
});

test('the default folder is ~/.cache/onespike/mnist', async () => {
  const { ONESPIKE_DATA } = process.env;
  const home = temporaryFolder();
  const homedir = jest.spyOn(os, 'homedir').mockReturnValue(home);
  try {
    delete process.env.ONESPIKE_DATA;
    await expectError(loadDataset('mnist'), 'ERR_IO', /\.cache\/onespike\/mnist/);
    await writeMnist(join(home, '.cache', 'onespike', 'mnist'));
    expect((await loadDataset('mnist')).train.count).toBe(12);
  } finally {
    homedir.mockRestore();
    if (ONESPIKE_DATA !== undefined) process.env.ONESPIKE_DATA = ONESPIKE_DATA;
  }
});

test('missing and damaged files', async () => {
  const folder = temporaryFolder();
  await expectError(
    loadDataset('mnist', { directory: folder }),
    'ERR_IO',
    /train-images-idx3-ubyte.*onespike data fetch mnist/,
  );
  await writeMnist(folder);
  const refused = async (name: string, bytes: Buffer, message: RegExp): Promise<void> => {
    await writeFile(join(folder, name), bytes);
    await expectError(loadDataset('mnist', { directory: folder }), 'ERR_FORMAT', message);
    await writeMnist(folder);
  };
  await refused(
    'train-images-idx3-ubyte',
    idxImages(12, 28, 0x802),
    /magic 0x00000803 at byte 0 of .*train-images.* received 0x00000802/,
  );
  await refused('train-images-idx3-ubyte', idxImages(12, 27), /28x28 at byte 8 .* 27/);
  await refused(
    'train-images-idx3-ubyte',
    idxImages(12).subarray(0, 16 + 12 * 784 - 1),
    /Expected 9424 bytes in .*train-images.* received 9423/,
  );
  await refused(
    'train-images-idx3-ubyte',
    Buffer.concat([idxImages(12), Buffer.alloc(1)]),
    /Expected 9424 bytes .* received 9425/,
  );
  await refused('train-images-idx3-ubyte', Buffer.alloc(5), /idx header of 16 bytes .* received 5/);
  await refused('t10k-labels-idx1-ubyte', idxLabels(4), /5 labels .*t10k-labels.* received 4/);
  await refused('t10k-labels-idx1-ubyte', idxLabels(0), /count from 1 to 10000/);
  const wrong = idxLabels(5);
  wrong[10] = 10;
  await refused('t10k-labels-idx1-ubyte', wrong, /label from 0 to 9 at byte 10 of .*t10k-labels.* received 10/);

  await rm(join(folder, 'train-images-idx3-ubyte'));
  const packed = gzipSync(idxImages(12));
  const gz = 'train-images-idx3-ubyte.gz';
  const refusedPacked = async (bytes: Buffer, message: RegExp): Promise<void> => {
    await writeFile(join(folder, gz), bytes);
    await expectError(loadDataset('mnist', { directory: folder }), 'ERR_FORMAT', message);
  };
  await refusedPacked(packed.subarray(0, packed.length >> 1), /train-images.*damaged gzip data/);
  await refusedPacked(Buffer.from('<html>not found</html>'), /gzip magic 1f 8b at byte 0 .* received 3c68/);
  await refusedPacked(Buffer.alloc(0), /an empty file/);
  // 300 MB of zeros in 300 kB
  await refusedPacked(
    gzipSync(Buffer.alloc(300_000_000), { level: 1 }),
    /at most 47040016 intact bytes inflated .* received more/,
  );
});
