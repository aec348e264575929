// The reader of tar archives against GNU tar, which writes every form that there is.
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { tarEntries, type TarEntry } from '../../lib/data/download/tar';
import { cleanUp, temporaryFolder } from './support/helpers';

afterAll(cleanUp);

/** The bytes in chunks of `size`: a stream cuts wherever it likes. */
async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Read {
  name: string;
  kind: string;
  content: string;
}

async function read(bytes: Buffer, size = 10_240, wanted: (entry: TarEntry) => boolean = () => true): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const entry of tarEntries(chunks(bytes, size))) {
    const content = wanted(entry) ? (await entry.content()).toString() : 'not read';
    entries.push({ name: entry.name, kind: entry.kind, content });
  }
  return entries;
}

const deep = `${'a-folder-with-a-long-name/'.repeat(8)}file.bin`; // 216 characters: beyond what ustar has
const wide = `${'b'.repeat(90)}/${'c'.repeat(90)}`; // 181: name and prefix of ustar

/** A folder of every kind of entry, packed by GNU tar in this format. */
function pack(format: string, names: readonly string[]): Buffer {
  const folder = temporaryFolder();
  for (const name of ['small.bin', 'empty', deep, wide]) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), name === 'empty' ? '' : `content of ${name}`);
  }
  writeFileSync(join(folder, 'block'), 'x'.repeat(512));
  symlinkSync('small.bin', join(folder, 'link'));
  linkSync(join(folder, 'small.bin'), join(folder, 'twin'));
  mkdirSync(join(folder, 'folder'));
  const archive = join(temporaryFolder(), 'a.tar');
  execFileSync('tar', ['-C', folder, `--format=${format}`, '--no-recursion', '-cf', archive, ...names]);
  return readFileSync(archive);
}

const always = ['folder', 'empty', 'small.bin', 'block', 'twin', 'link'];
const expected = (names: readonly string[]): Read[] =>
  names.map((name) => {
    if (name === 'folder') return { name: 'folder/', kind: 'directory', content: '' };
    if (name === 'link') return { name, kind: 'symlink', content: '' };
    if (name === 'twin') return { name, kind: 'hard link', content: '' };
    return {
      name,
      kind: 'file',
      content: name === 'empty' ? '' : name === 'block' ? 'x'.repeat(512) : `content of ${name}`,
    };
  });

test.each([
  ['v7', always],
  ['ustar', [...always, wide]],
  ['gnu', [...always, wide, deep]],
  ['oldgnu', [...always, wide, deep]],
  ['posix', [...always, wide, deep]],
])('format %s', async (format, names) => {
  const archive = pack(format, names);
  expect(await read(archive)).toEqual(expected(names));
  for (const size of [1, 7, 512, 513, 4096]) expect(await read(archive, size)).toEqual(expected(names));
  const small = await read(archive, 100, ({ name }) => name === 'small.bin');
  expect(small.map(({ content }) => content)).toEqual(
    names.map((name) => (name === 'small.bin' ? 'content of small.bin' : 'not read')),
  );
});

test('archives one behind the other, and further zeros, are read to the end', async () => {
  const one = pack('ustar', ['small.bin']);
  expect(await read(Buffer.concat([one, Buffer.alloc(5120), one]))).toEqual(expected(['small.bin', 'small.bin']));
  expect(await read(Buffer.alloc(0))).toEqual([]);
  expect(await read(Buffer.alloc(1024))).toEqual([]);
});

/** A header as it would be written by hand, with a right checksum. */
function header(fields: { name?: string; size?: string | Buffer; flag?: string }): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name ?? 'file');
  if (typeof fields.size === 'string') block.write(fields.size, 124);
  else fields.size?.copy(block, 124);
  block.fill(' ', 148, 156);
  block.write(fields.flag ?? '0', 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

test('sizes in binary, and the size of a pax header, are understood', async () => {
  const size = Buffer.alloc(12);
  size[0] = 0x80;
  size[11] = 3;
  const data = Buffer.alloc(512, 'abc');
  expect(await read(Buffer.concat([header({ size }), data]))).toEqual([{ name: 'file', kind: 'file', content: 'abc' }]);
  const record = Buffer.alloc(512);
  record.write('9 size=2\n');
  const pax = Buffer.concat([header({ flag: 'x', size: '11' }), record, header({ size: '0' }), data]);
  expect(await read(pax)).toEqual([{ name: 'file', kind: 'file', content: 'ab' }]);
});

test('extensions that mean nothing here are passed over with their data', async () => {
  const data = Buffer.alloc(512, 'x');
  const archive = Buffer.concat([header({ flag: 'g', size: '5' }), data, header({ flag: 'V', size: '0' }), header({})]);
  expect(await read(archive)).toEqual([{ name: 'file', kind: 'file', content: '' }]);
});

test.each<[string, Buffer, RegExp]>([
  ['an end within a header', header({}).subarray(0, 300), /middle of an entry/],
  ['an end within the data', Buffer.concat([header({ size: '2000' }), Buffer.alloc(512)]), /middle of an entry/],
  ['an end within the padding', Buffer.concat([header({ size: '5' }), Buffer.alloc(100)]), /middle of an entry/],
  ['other bytes', Buffer.alloc(512, 7), /checksum/],
  ['digits that are none', header({ size: '99999999999' }), /valid size/],
  ['a size beyond all bounds', header({ size: Buffer.alloc(12, 0x80) }), /valid size/],
  ['a long name of a gigabyte', header({ flag: 'L', size: '10000000000' }), /a tar header of 1073741824 bytes/],
  [
    'pax records that do not fit',
    Buffer.concat([header({ flag: 'x', size: '7' }), Buffer.alloc(512, '900 a=b')]),
    /records do not fit/,
  ],
  [
    'a pax size that is none',
    Buffer.concat([header({ flag: 'x', size: '13' }), Buffer.alloc(512, '11 size=-1\n')]),
    /valid size/,
  ],
])('%s is refused', async (_, archive, message) => {
  await expect(read(archive)).rejects.toThrow(message);
});
