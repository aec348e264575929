import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { removeLeftovers } from '../../lib/io/folders';
import { atomicWrite, moveInto, PartialFile } from '../../lib/io/write';
import { createExclusive } from '../../lib/io/exclusive';
import { readJsonLines } from '../../lib/io/jsonl';
import { appendAt, cutBack } from '../../lib/io/log';
import { ioError } from '../../lib/io/system-error';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'onespike-io-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const failing = (code: string, text: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('atomicWrite', () => {
  test('writes text, bytes and pieces, and replaces what was there', async () => {
    const path = join(folder, 'file');
    await atomicWrite(path, 'größer');
    expect(readFileSync(path, 'utf8')).toBe('größer');
    await atomicWrite(path, Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    await atomicWrite(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5).subarray(1)]);
    expect([...readFileSync(path)]).toEqual([3, 5]);
    await atomicWrite(path, '');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('names the path when the folder is missing or the target is a folder, and leaves nothing behind', async () => {
    await expect(atomicWrite(join(folder, 'none', 'file'), 'x')).rejects.toEqual(
      failing('ERR_IO', `${join(folder, 'none', 'file')}: no such file or folder (ENOENT)`),
    );
    mkdirSync(join(folder, 'taken'));
    writeFileSync(join(folder, 'taken', 'inside'), '');
    await expect(atomicWrite(join(folder, 'taken'), 'x')).rejects.toEqual(failing('ERR_IO', join(folder, 'taken')));
    expect(readdirSync(folder)).toEqual(['taken']);
  });

  test('keeps the old content if writing fails halfway', async () => {
    const path = join(folder, 'file');
    await atomicWrite(path, 'old');
    function* pieces(): Generator<Uint8Array> {
      yield Uint8Array.of(1, 2, 3);
      throw new Error('the source failed');
    }
    await expect(atomicWrite(path, pieces())).rejects.toEqual(failing('ERR_IO', 'the source failed'));
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('many writers at once leave one whole file', async () => {
    const path = join(folder, 'file');
    await Promise.all(Array.from({ length: 20 }, (_, i) => atomicWrite(path, String(i).repeat(1000))));
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^(\d\d?)\1+$/);
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('keeps a symbolic link and replaces the file that it names; a device is no file to replace', async () => {
    mkdirSync(join(folder, 'other'));
    const target = join(folder, 'other', 'target');
    writeFileSync(target, 'old');
    symlinkSync(target, join(folder, 'link'));
    await atomicWrite(join(folder, 'link'), 'new');
    expect(readFileSync(target, 'utf8')).toBe('new');
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(readdirSync(join(folder, 'other'))).toEqual(['target']);
    await expect(atomicWrite('/dev/null', 'x')).rejects.toEqual(failing('ERR_IO', '/dev/null: not a regular file'));
  });

  test('takes names as long as the file system does', async () => {
    for (const name of ['a'.repeat(255), 'ü'.repeat(127), '🐈'.repeat(63)]) {
      await atomicWrite(join(folder, name), 'x');
      expect(readFileSync(join(folder, name), 'utf8')).toBe('x');
      rmSync(join(folder, name));
    }
    await expect(atomicWrite(join(folder, 'a'.repeat(256)), 'x')).rejects.toEqual(
      failing('ERR_IO', 'name is too long (ENAMETOOLONG)'),
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test('removeLeftovers removes the temporary files of a killed writer and nothing else', async () => {
    for (const name of ['.model.safetensors.0123456789ab.tmp', '.keep.tmp', 'model.safetensors'])
      writeFileSync(join(folder, name), '');
    await removeLeftovers(folder);
    expect(readdirSync(folder).sort()).toEqual(['.keep.tmp', 'model.safetensors']);
    await removeLeftovers(join(folder, 'none'));
  });
});

// The file handles of Yarn's Plug'n'Play answer `sync` and `datasync` with "Method not implemented."
test('no writer needs a method that file handles of Yarn lack', async () => {
  const path = join(folder, 'file');
  const handle = await open(path, 'w');
  const prototype = Object.getPrototypeOf(handle) as Record<string, unknown>;
  await handle.close();
  const { sync, datasync } = prototype;
  prototype.sync = prototype.datasync = () => {
    throw new Error('Method not implemented.');
  };
  try {
    await atomicWrite(path, 'whole');
    await appendAt(join(folder, 'log'), 0, Buffer.from('line\n'));
    await (await createExclusive(join(folder, 'lock'), 'owner'))?.close();
    const part = await PartialFile.open(join(folder, 'part'), false);
    await part.write(Buffer.from('part'), 0);
    await part.flush();
    await part.close();
  } finally {
    Object.assign(prototype, { sync, datasync });
  }
  expect(['file', 'log', 'lock', 'part'].map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual([
    'whole',
    'line\n',
    'owner',
    'part',
  ]);
});

describe('a log', () => {
  test('is cut to where it counts, never filled up', async () => {
    const path = join(folder, 'log');
    expect(await appendAt(path, 0, Buffer.from('one\n'))).toBe(4);
    writeFileSync(path, 'one\ntor', { flag: 'w' });
    expect(await appendAt(path, 4, Buffer.from('two\n'))).toBe(8);
    expect(await cutBack(path, 4)).toBe(4);
    expect(readFileSync(path, 'utf8')).toBe('one\n');
    for (const attempt of [() => cutBack(path, 5), () => appendAt(path, 5, Buffer.from('x'))])
      await expect(attempt()).rejects.toEqual(failing('ERR_FORMAT', `at least 5 bytes in ${path} but received 4`));
    expect(readFileSync(path, 'utf8')).toBe('one\n');
  });

  test('that cannot be opened is ERR_IO', async () => {
    await expect(appendAt(join(folder, 'none', 'log'), 0, Buffer.from('x'))).rejects.toEqual(failing('ERR_IO', 'none'));
    await expect(cutBack(join(folder, 'none', 'log'), 3)).resolves.toBe(0);
  });
});

test('of many that make a file exclusively, one succeeds, and its content is whole at once', async () => {
  const path = join(folder, 'lock');
  const handles = await Promise.all(Array.from({ length: 20 }, (_, i) => createExclusive(path, `owner ${i}`)));
  const made = handles.flatMap((handle, i) => (handle === undefined ? [] : [i]));
  expect(made).toHaveLength(1);
  expect(readFileSync(path, 'utf8')).toBe(`owner ${made[0]}`);
  await handles[made[0]!]!.close();
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('a partial file continues, begins anew, and gets its name at the end', async () => {
  const part = join(folder, 'part');
  let file = await PartialFile.open(part, false);
  await file.write(Buffer.from('half'), 0);
  await file.close();
  file = await PartialFile.open(part, true);
  await file.write(Buffer.from(' whole'), 4);
  await file.flush();
  await file.close();
  expect(readFileSync(part, 'utf8')).toBe('half whole');
  file = await PartialFile.open(part, true);
  await file.restart();
  await file.close();
  await moveInto(part, join(folder, 'done'));
  expect(readFileSync(join(folder, 'done'), 'utf8')).toBe('');
  await expect(PartialFile.open(join(folder, 'none', 'part'), false)).rejects.toEqual(
    failing('ERR_IO', 'Cannot write'),
  );
  await expect(moveInto(part, join(folder, 'done'))).rejects.toEqual(failing('ERR_IO', 'Cannot write'));
});

test('errors of the system say what was attempted, where, why, and what to do where that is known', () => {
  const system = (code: string) => Object.assign(new Error(`${code}: raw`), { code });
  expect(ioError('write', '/a', system('ENOSPC')).message).toBe(
    'Cannot write /a: no space left on the device (ENOSPC); free some space there',
  );
  expect(ioError('read', '/a', system('EWEIRD'))).toMatchObject({
    code: 'ERR_IO',
    message: 'Cannot read /a: EWEIRD: raw',
  });
  for (const thrown of [undefined, null, 'text', { code: 7 }])
    expect(ioError('read', '/a', thrown).code).toBe('ERR_IO');
});

describe('JSON Lines', () => {
  const path = (): string => join(folder, 'metrics.jsonl');

  test('are read whole from a file cut at any byte', async () => {
    const lines = ['{"epoch":1,"loss":2.5}\n', '{"epoch":2,"loss":"ü"}\n'];
    const bytes = Buffer.from(lines.join(''));
    const first = Buffer.byteLength(lines[0]!);
    for (let size = 0; size <= bytes.length; size++) {
      writeFileSync(path(), bytes.subarray(0, size));
      // A line without its newline is whole if it is an object: nothing shorter than an object parses as one.
      const whole = (size >= first - 1 ? 1 : 0) + (size >= bytes.length - 1 ? 1 : 0);
      const { records, torn } = await readJsonLines(path());
      expect(records).toEqual(lines.slice(0, whole).map((text) => JSON.parse(text)));
      expect(torn).toBe(![0, first - 1, first, bytes.length - 1, bytes.length].includes(size));
    }
  });

  test('are refused when damaged elsewhere than at the end', async () => {
    for (const line of ['{"epoch":', '12', '[1]', '', 'null']) {
      writeFileSync(path(), `{"epoch":1}\n${line}\n{"epoch":3}\n`);
      await expect(readJsonLines(path())).rejects.toEqual(failing('ERR_FORMAT', 'metrics.jsonl, line 2'));
    }
    await expect(readJsonLines(join(folder, 'none'))).rejects.toEqual(failing('ERR_IO', 'none'));
  });
});
