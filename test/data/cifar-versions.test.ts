// CIFAR-100, and the version of CIFAR for Python, which is recognised and refused by name.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadDataset } from '../../lib/data';
import { cifarRecords, cleanUp, expectError, temporaryFolder } from './support/helpers';
import { batch, writeCifar10 } from './support/cifar';

afterAll(cleanUp);

describe('CIFAR-100', () => {
  test('takes the fine label and checks both', async () => {
    const folder = join(temporaryFolder(), 'cifar-100-binary');
    await mkdir(folder);
    await writeFile(
      join(folder, 'train.bin'),
      cifarRecords(5, (i) => [i % 20, 95 + i]),
    );
    await writeFile(
      join(folder, 'test.bin'),
      cifarRecords(2, () => [19, 0]),
    );
    const { train, test: held } = await loadDataset('cifar100', { directory: folder });
    expect([...train.labels]).toEqual([95, 96, 97, 98, 99]);
    expect([train.classes.length, train.classes[0], train.classes[99], held.labels[0]]).toEqual([
      100,
      'apple',
      'worm',
      0,
    ]);
    expect([train.pixels[0], train.pixels[3072]]).toEqual([0, 7]);
    await writeFile(
      join(folder, 'train.bin'),
      cifarRecords(5, (i) => [0, i === 3 ? 100 : 0]),
    );
    await expectError(
      loadDataset('cifar100', { directory: folder }),
      'ERR_FORMAT',
      /label from 0 to 99 at byte 9223 .*train\.bin but received 100/,
    );
    await writeFile(
      join(folder, 'train.bin'),
      cifarRecords(5, () => [20, 0]),
    );
    await expectError(
      loadDataset('cifar100', { directory: folder }),
      'ERR_FORMAT',
      /coarse label from 0 to 19 at byte 0/,
    );
    // CIFAR-10 records under the name of CIFAR-100
    await writeFile(
      join(folder, 'train.bin'),
      cifarRecords(5, () => [3]),
    );
    await expectError(loadDataset('cifar100', { directory: folder }), 'ERR_FORMAT', /records of 3074 bytes/);
  });
});

test('binary files that have lost their .bin are binary all the same', async () => {
  const [whole, bare] = [temporaryFolder(), temporaryFolder()];
  await writeCifar10(whole);
  for (let i = 1; i <= 5; i++) await writeFile(join(bare, `data_batch_${i}`), batch(i));
  await writeFile(join(bare, 'test_batch'), batch(6, 3));
  expect(await loadDataset('cifar10', { directory: bare })).toEqual(await loadDataset('cifar10', { directory: whole }));
});
