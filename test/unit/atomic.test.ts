import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { atomicWrite, removeLeftovers } from '../../lib/io/atomic';
import { readJsonLines } from '../../lib/io/jsonl';

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

  test('removeLeftovers removes the temporary files of a killed writer and nothing else', async () => {
    for (const name of ['.model.safetensors.0123456789ab.tmp', '.keep.tmp', 'model.safetensors'])
      writeFileSync(join(folder, name), '');
    await removeLeftovers(folder);
    expect(readdirSync(folder).sort()).toEqual(['.keep.tmp', 'model.safetensors']);
    await expect(removeLeftovers(join(folder, 'none'))).rejects.toEqual(failing('ERR_IO', 'none'));
  });
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
