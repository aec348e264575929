// What people have in the folder that they name: every kind of entry beside the classes, and every way to name the
// wrong one.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { datasetInfo, loadDataset, SeededRandom, type LoadedDataset } from '../../lib/data';
import { cleanUp, expectError, netpbm, temporaryFolder } from './support/helpers';

afterAll(cleanUp);

const picture = (value: number): Buffer => netpbm(4, 4, new Uint8Array(48).fill(value));

/** Files by their paths; a path that ends in / is an empty folder. */
async function write(root: string, paths: readonly string[], content: Buffer | string = picture(9)): Promise<void> {
  for (const path of paths) {
    const place = join(root, path);
    await mkdir(path.endsWith('/') ? place : join(place, '..'), { recursive: true });
    if (!path.endsWith('/')) await writeFile(place, content);
  }
}

const three = (folder: string): string[] => [1, 2, 3].map((i) => `${folder}/${i}.ppm`);
const classesIn = async (...paths: string[]): Promise<string> => {
  const directory = temporaryFolder();
  await write(directory, [...three('cat'), ...three('dog'), ...paths]);
  return directory;
};
const load = (directory: string, options: object = {}): Promise<LoadedDataset> =>
  loadDataset('folder', { directory, size: 4, ...options });
const messages = ({ warnings }: LoadedDataset): string[] => warnings.map(({ code, message }) => `${code} ${message}`);

describe('what is no class', () => {
  test.each([
    ['hidden entries', ['.ipynb_checkpoints/1.ppm', '.DS_Store', 'cat/.DS_Store'], '1 .ipynb_checkpoints, 2 .DS_Store'],
    [
      'what systems and archivers leave',
      ['__MACOSX/cat/1.ppm', 'lost+found/', '@eaDir/x.ppm', 'dog/Thumbs.db', 'cat/Thumbs.db', 'desktop.ini'],
      '1 @eaDir, 1 __MACOSX, 1 desktop.ini, 1 lost+found, 2 Thumbs.db',
    ],
  ])('%s, said once with the reason', async (_kind, paths, counted) => {
    const directory = await classesIn(...paths);
    const loaded = await load(directory);
    expect(loaded.train.classes).toEqual(['cat', 'dog']);
    const [message, ...more] = messages(loaded);
    expect(more).toEqual([]);
    const [, found] = /^DATA_LEFT_OUT left out of .*: (.*) \(hidden, or left there by a system\)$/.exec(message!)!;
    expect(found!.split(', ').sort()).toEqual(counted.split(', ').sort());
  });

  test('folders of runs, wherever they lie, counted', async () => {
    const directory = await classesIn('runs/', 'results/one/run.json', 'results/two/run.json', 'again/run.json');
    const loaded = await load(directory);
    expect(loaded.train.classes).toEqual(['cat', 'dog']);
    expect(messages(loaded)).toEqual([
      `DATA_LEFT_OUT left out of ${directory}: 3 folders (of runs, or without a class)`,
    ]);
  });

  test('what the caller excludes, and folders above it that hold no pictures', async () => {
    const directory = await classesIn('out/', 'above/below/');
    const exclude = [join(directory, 'out'), join(directory, 'above', 'below', 'run')];
    expect((await load(directory, { exclude })).train.classes).toEqual(['cat', 'dog']);
    // A run inside a class makes the class none the less one.
    expect((await load(directory, { exclude: [...exclude, join(directory, 'cat', 'run')] })).train.count).toBe(4);
  });

  test('files of other kinds are counted in one line', async () => {
    const directory = await classesIn(
      'labels.csv',
      'cat/a.bmp',
      'cat/b.BMP',
      'dog/c.bmp',
      'dog/notes',
      'Thumbs.db',
      'old/run.json',
    );
    expect(messages(await load(directory))).toEqual([
      `DATA_LEFT_OUT left out of ${directory}: 1 Thumbs.db (hidden, or left there by a system); ` +
        '1 .csv file, 3 .bmp files, 1 unnamed file (not pictures of a kind that is read); 1 folder (of runs, or without a class)',
    ]);
  });

  test('two spellings of one name are two classes, and said', async () => {
    const directory = await classesIn(...three('\u00e9'), ...three('e\u0301'));
    const loaded = await load(directory);
    expect(loaded.train.classes).toHaveLength(4);
    expect(messages(loaded)).toEqual([expect.stringMatching(/^DATA_LAYOUT two classes are called \u00e9/)]);
  });
});

describe('a layout that cannot be used is refused by its own reason', () => {
  test.each([
    ['an empty class', ['owl/'], /class folder .*\/owl but received an empty folder; remove owl, or fill it/],
    ['a class of another format', ['owl/1.bmp', 'owl/2.bmp'], /\/owl but received 2 \.bmp files; pictures are \.png/],
    ['a class of empty folders', ['owl/2024/'], /\/owl but received empty folders/],
  ])('%s', async (_kind, paths, message) => {
    const directory = await classesIn(...paths);
    await expectError(load(directory), 'ERR_FORMAT', message);
    expect(await datasetInfo('folder', { directory })).toMatchObject({ present: false, counts: null });
  });

  test.each([
    [
      'one level too high',
      three('pictures/cat').concat(three('pictures/dog')),
      /2 folders with pictures.*name .*\/pictures instead/,
    ],
    [
      'pictures without a class',
      ['1.ppm', '2.ppm'],
      /at least two class folders .* received 0 and 2 pictures outside of one/,
    ],
    ['one class', three('cat'), /at least two class folders .* received 1$/],
    [
      'parts without classes',
      ['train/1.ppm', 'test/1.ppm'],
      /class folders .*\/train but received 0 and 1 pictures outside/,
    ],
    ['nothing', [], /received 0$/],
  ])('%s', async (_kind, paths, message) => {
    const directory = temporaryFolder();
    await write(directory, paths);
    await expectError(load(directory), 'ERR_FORMAT', message);
  });

  test.each([
    ['zip', Buffer.from('PK\x03\x04 and so on'), /a zip archive; unpack it/],
    ['tar.gz', Buffer.from([0x1f, 0x8b, 8, 0]), /a gzip archive; unpack it/],
    ['tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\0')]), /a tar archive; unpack it/],
    ['png', Buffer.from('\x89PNG'), /folder of pictures at .* but received a file$/],
  ])('a file (%s) in place of a folder', async (extension, bytes, message) => {
    const path = join(temporaryFolder(), `pictures.${extension}`);
    await writeFile(path, bytes);
    await expectError(load(path), 'ERR_IO', message);
  });

  test('a folder that is another data set is told so', async () => {
    const directory = temporaryFolder();
    for (const part of ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch'])
      await writeFile(join(directory, `${part}.bin`), Buffer.alloc(3073));
    await expectError(load(directory), 'ERR_FORMAT', /holds the data set cifar10: name that \(--dataset cifar10\)/);
  });
});

describe('parts', () => {
  const classes = (part: string): string[] => [...three(`${part}/cat`), ...three(`${part}/dog`)];

  test.each(['val', 'valid', 'validation', 'Validation'])(
    'train, test and %s: the last is for validation',
    async (name) => {
      const directory = temporaryFolder();
      await write(directory, classes('train'));
      await write(directory, classes('test'), picture(50));
      await write(directory, classes(name), picture(100));
      const { train, test: held, validation, warnings } = await load(directory);
      expect([train.count, held.count, validation?.length, warnings]).toEqual([12, 6, 6, []]);
      const value = (row: number): number => train.pixels[row * 48]!;
      expect([...validation!].map(value)).toEqual(Array(6).fill(100));
      expect([...train.labels.keys()].filter((row) => !validation!.includes(row)).map(value)).toEqual(Array(6).fill(9));
      expect(await datasetInfo('folder', { directory })).toMatchObject({
        present: true,
        classes: ['cat', 'dog'],
        counts: { train: 12, test: 6 },
      });
    },
  );

  test('train and val alone: val is the test part, and that is said', async () => {
    const directory = temporaryFolder();
    await write(directory, [...classes('Train'), ...classes('val'), 'extra/1.ppm']);
    const loaded = await load(directory);
    expect([loaded.train.count, loaded.test.count, loaded.validation]).toEqual([6, 6, undefined]);
    expect(messages(loaded)).toEqual([
      `DATA_LAYOUT ${directory} has no test folder: the pictures of val are used as the test part`,
      `DATA_LEFT_OUT left out of ${directory}: 1 folder (of runs, or without a class)`,
    ]);
  });

  test('a class called train is a class', async () => {
    const directory = await classesIn(...three('train'));
    expect((await load(directory)).train.classes).toEqual(['cat', 'dog', 'train']);
  });
});

describe('pictures that cannot be read', () => {
  const kinds: [string, (path: string) => Promise<void>][] = [
    ['empty', (path) => writeFile(path, '')],
    ['cut short', (path) => writeFile(path, picture(1).subarray(0, 30))],
    ['text', (path) => writeFile(path, 'not a picture')],
    ['a link to nothing', (path) => symlink(`${path}.absent`, path)],
  ];

  test.each(kinds)('%s: refused by name, or left out and counted', async (kind, spoil) => {
    const directory = await classesIn();
    await spoil(join(directory, 'cat', 'broken.ppm'));
    await expectError(
      load(directory),
      kind === 'a link to nothing' ? 'ERR_IO' : 'ERR_FORMAT',
      /broken\.ppm.*dataset\.skipUnreadable=true/,
    );
    const loaded = await load(directory, { skipUnreadable: true });
    expect(loaded.train.count + loaded.test.count).toBe(6);
    expect(messages(loaded)).toEqual([
      expect.stringMatching(/^DATA_LEFT_OUT left out: 1 unreadable picture: .*broken\.ppm/),
    ]);
  });

  test('several are named at once, up to five', async () => {
    const directory = await classesIn();
    for (let i = 0; i < 12; i++) await writeFile(join(directory, 'dog', `broken${i}.ppm`), '');
    const error = await expectError(load(directory), 'ERR_FORMAT', /broken/);
    expect(new Set(error.message.match(/broken\d+/g)).size).toBeGreaterThanOrEqual(5);
    expect(messages(await load(directory, { skipUnreadable: true })).join()).toMatch(/and \d+ more/);
  });

  test('pixels and labels stay together, whichever are left out', async () => {
    const random = new SeededRandom(3);
    const directory = temporaryFolder();
    for (let i = 0; i < 60; i++) {
      const name = ['cat', 'dog', 'owl'][i % 3]!;
      await write(directory, [`${name}/${i}.ppm`], random.below(4) === 0 ? 'broken' : picture(i));
    }
    const { train, test: held } = await load(directory, { skipUnreadable: true });
    for (const set of [train, held]) set.labels.forEach((label, row) => expect(set.pixels[row * 48]! % 3).toBe(label));
    expect(train.count).toBeGreaterThan(20);
  });

  test('none left of a part', async () => {
    const directory = temporaryFolder();
    await write(directory, [...three('train/cat'), ...three('train/dog')]);
    await write(directory, ['test/cat/1.ppm'], 'broken');
    await expectError(load(directory, { skipUnreadable: true }), 'ERR_FORMAT', /Expected a test picture/);
    await rm(join(directory, 'test'), { recursive: true });
  });
});

test('options that a set does not take are refused by name', async () => {
  await expectError(
    loadDataset('cifar10', { size: 64 }),
    'ERR_ARG',
    /no size for the data set cifar10, whose options are directory, .*, but received 64/,
  );
  await expectError(loadDataset('shapes', { directory: '.' }), 'ERR_ARG', /no directory for the data set shapes/);
  await expectError(loadDataset('mnist', { skipUnreadable: true }), 'ERR_ARG', /skipUnreadable/);
});
