// What needs an optional package: Parquet by hyparquet, and pictures of other formats by sharp, compared with what
// pyarrow and Pillow read. The packages come from the registry, so that this runs in a process of its own beside them.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { withTools } from '../../package/tools';
import { cleanUp, temporaryFolder } from '../support/helpers';
import { expectations, published, unpacked } from '../support/published';

afterAll(cleanUp);

const library = join(__dirname, '..', '..', '..', 'dist', 'lib', 'index.js');
const started = `
  const { datasets, loadImage, train } = require(${JSON.stringify(library)});
  const { createHash } = require('node:crypto');
  const { mkdtempSync, readFileSync, writeFileSync } = require('node:fs');
  const { join } = require('node:path');
  const found = ({ count, labels, pixels }) =>
    ({ count, labels: [...labels], pixels: createHash('sha256').update(pixels).digest('hex') });
  const failed = (error) => ({ code: error.code, message: error.message });
  const answer = (value) => console.log(JSON.stringify(value));
`;

/** What a script that ends with \`answer(value)\` answers, run in \`folder\`. */
function run<T>(folder: string, script: string): T {
  const source = `${started}(async () => { ${script} })();`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', source], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

function folderOf(names: Record<string, string>): string {
  const folder = temporaryFolder();
  for (const [path, name] of Object.entries(names)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(published(name), join(folder, path));
  }
  return folder;
}

const hub = {
  'data/train-00000-of-00002.parquet': 'train-00000-of-00002.parquet',
  'data/train-00001-of-00002.parquet': 'train-00001-of-00002.parquet',
  'data/test-00000-of-00001.parquet': 'test-00000-of-00001.parquet',
};
const load = (directory: string, options: object = {}): string =>
  `datasets.load('parquet', ${JSON.stringify({ directory, ...options })})`;

test('without hyparquet the error says how to get it', () => {
  const folder = folderOf(hub);
  const error = run<{ code: string; message: string }>(folder, `answer(await ${load(folder)}.catch(failed))`);
  expect(error.code).toBe('ERR_FORMAT');
  expect(error.message).toMatch(
    /optional package hyparquet for .*parquet but it is not installed: npm install hyparquet/,
  );
});

withTools('parquet', { hyparquet: '1.33.0' }, (tools) => {
  test('a set as Hugging Face lays it: parts, classes, compressions', () => {
    const loaded = run(
      tools,
      `const all = await ${load(folderOf(hub))};
       const few = await ${load(folderOf(hub), { trainCount: 6, testCount: 1, size: 4 })};
       answer({ train: found(all.train), test: found(all.test), classes: all.train.classes, shape: all.train.shape,
         warnings: all.warnings, few: [few.train.count, few.test.count, few.train.shape, [...few.train.labels]] })`,
    );
    const { train, test: tested } = expectations.parquet!;
    const few = [6, 1, [3, 4, 4], train!.labels.slice(0, 6)];
    const classes = ['cat', 'dog', 'owl'];
    expect(loaded).toEqual({ train, test: tested, classes, shape: [3, 8, 8], warnings: [], few });
  });

  test('one file of grey pictures with labels of text, divided here', () => {
    const file = published('grey.parquet');
    const { shape, counts, labels, classes } = run<{
      shape: number[];
      counts: number[];
      labels: number[];
      classes: string[];
    }>(
      tools,
      `const { train, test } = await ${load(file, { testShare: 0.5 })};
       answer({ shape: train.shape, counts: [train.count, test.count], labels: [...train.labels, ...test.labels],
         classes: train.classes })`,
    );
    expect([shape, counts, classes]).toEqual([
      [1, 8, 8],
      [3, 3],
      ['cat', 'dog', 'owl'],
    ]);
    expect(labels.sort()).toEqual(expectations.grey!.all!.labels.sort());
  });

  test('validation in the place of the test, or beside it', () => {
    const validation = { 'v/validation-00000-of-00001.parquet': 'test-00000-of-00001.parquet' };
    const { 'data/test-00000-of-00001.parquet': _test, ...trainOnly } = hub;
    const both = run(
      tools,
      `const one = await ${load(folderOf({ ...trainOnly, ...validation }))};
       const two = await ${load(folderOf({ ...hub, ...validation }))};
       answer([one.test.count, one.warnings.map(({ code }) => code), two.train.count, Object.values(two.validation)])`,
    );
    expect(both).toEqual([3, ['DATA_LAYOUT'], 12, [9, 10, 11]]);
  });

  test('ninety damaged files: a coded error or rows, no hang, memory bounded', () => {
    const names = ['train-00000-of-00002.parquet', 'test-00000-of-00001.parquet', 'grey.parquet'].map(published);
    const result = run<{ codes: Record<string, number>; strange: string[]; seconds: number; bytes: number }>(
      tools,
      `const { SeededRandom } = require(${JSON.stringify(join(dirname(library), 'data', 'index.js'))});
       const folder = mkdtempSync(${JSON.stringify(join(temporaryFolder(), 'x'))});
       const codes = {}, strange = [];
       let bytes = 0;
       const began = performance.now();
       for (const name of ${JSON.stringify(names)}) for (let i = 0; i < 30; i++) {
         const random = new SeededRandom(i, name.length);
         let data = Buffer.from(readFileSync(name));
         const at = random.below(data.length - 8);
         if (i % 6 === 0) data = data.subarray(0, at);
         else if (i % 6 === 1) data[at] ^= 1 << random.below(8);
         else if (i % 6 === 2) data.fill(255, at, at + 1 + random.below(8));
         else if (i % 6 === 3) data = Buffer.concat([data.subarray(0, at), data.subarray(at + 1 + random.below(7))]);
         else if (i % 6 === 4) data = Buffer.from(data.map((byte) => random.below(50) === 0 ? random.below(256) : byte));
         // Within the description at the end, whose numbers are sizes and places.
         else data[data.length - 9 - random.below(400)] = 127 + random.below(129);
         const path = join(folder, 'damaged.parquet');
         writeFileSync(path, data);
         const outcome = await datasets.load('parquet', { directory: path, testShare: 0.5 }).then(() => 'read', (error) => {
           if (!['ERR_FORMAT', 'ERR_ARG'].includes(error.code)) strange.push(i + ' ' + name + ' ' + error.stack);
           return error.code;
         });
         codes[outcome] = (codes[outcome] ?? 0) + 1;
         bytes = Math.max(bytes, process.memoryUsage().arrayBuffers);
       }
       answer({ codes, strange, seconds: (performance.now() - began) / 1000, bytes });`,
    );
    expect(result.strange).toEqual([]);
    expect(result.codes.ERR_FORMAT).toBeGreaterThan(40);
    expect(result.bytes).toBeLessThan(64 * 2 ** 20);
  });

  test('numbers that no file has room for', () => {
    const code = run<string[]>(
      tools,
      `const bytes = readFileSync(${JSON.stringify(published('grey.parquet'))});
       const path = join(mkdtempSync(${JSON.stringify(join(temporaryFolder(), 'x'))}), 'a.parquet');
       const messages = [];
       // The descriptions of 4 GiB, and the header of the first page (its sizes are bytes 2 and 4) with the largest
       // numbers.
       for (const change of [(data) => data.writeUInt32LE(0xffffffff, data.length - 8), (data) => data.fill(0xfe, 6, 8), (data) => data.fill(0xff, 5, 9)]) {
         const data = Buffer.from(bytes);
         change(data);
         writeFileSync(path, data);
         messages.push(await datasets.load('parquet', { directory: path }).then(() => 'read', (error) => error.code));
       }
       // A description of empty structures, each of which takes sixty bytes in memory.
       const list = Buffer.concat([Buffer.from([0x19, 0xfc, 0x80, 0x80, 0x80, 0x40]), Buffer.alloc(2 ** 24 + 64)]);
       const length = Buffer.alloc(4);
       length.writeUInt32LE(list.length);
       writeFileSync(path, Buffer.concat([Buffer.from('PAR1'), list, length, Buffer.from('PAR1')]));
       messages.push(await datasets.load('parquet', { directory: path }).then(() => 'read', (error) => error.message));
       answer(messages);`,
    );
    expect(code).toEqual([
      ...['ERR_FORMAT', 'ERR_FORMAT', 'ERR_FORMAT'],
      expect.stringContaining('a description of 16777286 bytes'),
    ]);
  });
});

withTools('pictures', { sharp: '0.35.5' }, (tools) => {
  const names = Object.keys(expectations.pictures);
  const folder = unpacked('pictures.tar.gz');

  test('EXIF rotation, grey, progressive, CMYK, alpha, palette, 16 bits: as Pillow reads them', () => {
    const jobs = names.map((name) => [name, [3, ...[...expectations.pictures[name]!.size].reverse()]]);
    const pixels = run<Record<string, number[]>>(
      tools,
      `const pixels = {};
       for (const [name, shape] of ${JSON.stringify(jobs)})
         pixels[name] = [...(await loadImage(join(${JSON.stringify(folder)}, name), shape))];
       answer(pixels);`,
    );
    const apart = names.map((name) => {
      const expected = Buffer.from(expectations.pictures[name]!.pixels, 'base64');
      expect(pixels[name]).toHaveLength(expected.length);
      const most = pixels[name]!.reduce((largest, byte, i) => Math.max(largest, Math.abs(byte - expected[i]!)), 0);
      // JPEG leaves the rounding of its transform to the decoder, and CMYK a colour profile; all others are exact.
      return [name, most <= (name === 'cmyk.jpg' ? 40 : name.endsWith('.jpg') ? 4 : 1) ? 'alike' : most];
    });
    expect(apart).toEqual(names.map((name) => [name, 'alike']));
  });

  test('sixty damaged pictures: a coded error or a picture', () => {
    const result = run<{ codes: Record<string, number>; strange: string[] }>(
      tools,
      `const { SeededRandom } = require(${JSON.stringify(join(dirname(library), 'data', 'index.js'))});
       const codes = {}, strange = [];
       const path = join(mkdtempSync(${JSON.stringify(join(temporaryFolder(), 'x'))}), 'picture');
       for (const name of ['exif6.jpg', 'cmyk.jpg', 'alpha.webp', 'palette.gif', 'grey16.tif', 'alpha.png'])
         for (let i = 0; i < 10; i++) {
           const random = new SeededRandom(i, name.length);
           let data = Buffer.from(readFileSync(join(${JSON.stringify(folder)}, name)));
           const at = random.below(data.length);
           if (i % 3 === 0) data = data.subarray(0, at);
           else if (i % 3 === 1) data[at] ^= 1 << random.below(8);
           else data.fill(255, at, at + 4);
           writeFileSync(path, data);
           const outcome = await loadImage(path, [3, 8, 8]).then(() => 'read', (error) => {
             if (error.code !== 'ERR_FORMAT') strange.push(name + ' ' + error.stack);
             return error.code;
           });
           codes[outcome] = (codes[outcome] ?? 0) + 1;
         }
       answer({ codes, strange });`,
    );
    expect(result.strange).toEqual([]);
    expect(result.codes.ERR_FORMAT).toBeGreaterThan(20);
  });

  test('formats that sharp knows and nobody trains on are refused by their first bytes', () => {
    const path = join(temporaryFolder(), 'picture.png');
    writeFileSync(
      path,
      '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>',
    );
    const error = run<{ code: string; message: string }>(
      tools,
      `answer(await loadImage(${JSON.stringify(path)}, [3, 8, 8]).then(() => 'read', failed));`,
    );
    expect(error.code).toBe('ERR_FORMAT');
    expect(error.message).toContain('a picture in JPEG, PNG, GIF, WebP, TIFF, AVIF, PPM (P6) or PGM (P5)');
  });

  test('a folder of them', () => {
    const classes = temporaryFolder();
    for (const [i, name] of names.entries()) {
      mkdirSync(join(classes, i % 2 === 0 ? 'a' : 'b'), { recursive: true });
      copyFileSync(join(folder, name), join(classes, i % 2 === 0 ? 'a' : 'b', name));
    }
    writeFileSync(join(classes, 'a', 'Thumbs.db'), '');
    const answer = run<[number, string[]]>(
      tools,
      `const set = await datasets.load('folder', { directory: ${JSON.stringify(classes)} });
       answer([set.train.count + set.test.count, set.warnings.map(({ message }) => message)]);`,
    );
    expect(answer).toEqual([names.length, [`left out of ${classes}: 1 Thumbs.db (hidden, or left there by a system)`]]);
  });
});
