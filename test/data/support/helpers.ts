// Temporary folders, small synthetic data files and error expectations shared by the data tests.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export { encodePng } from './png-writer';

const made: string[] = [];

/** A fresh folder that `cleanUp` removes. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'onespike-data-'));
  made.push(folder);
  return folder;
}

export function cleanUp(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The error of a promise that must reject with this code and a message that matches. */
export async function expectError(promise: Promise<unknown>, code: string, message: RegExp = /./): Promise<Error> {
  const error = await promise.then(
    () => {
      throw new Error(`resolved, although ${code} was expected`);
    },
    (reason: unknown) => reason as Error & { code?: string },
  );
  expect({ name: error.name, code: error.code, message: error.message }).toEqual({
    name: 'OneSpikeError',
    code,
    message: expect.stringMatching(message),
  });
  return error;
}

/** CIFAR records: label bytes from `labelsOf(i)`, pixel byte j of record i is (7 i + j) mod 251. */
export function cifarRecords(count: number, labelsOf: (i: number) => number[]): Buffer {
  const records: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const pixels = Buffer.alloc(3072);
    for (let j = 0; j < 3072; j++) pixels[j] = (7 * i + j) % 251;
    records.push(Buffer.from(labelsOf(i)), pixels);
  }
  return Buffer.concat(records);
}

export function idxImages(count: number, side = 28, magic = 0x803): Buffer {
  const bytes = Buffer.alloc(16 + count * side * side);
  [magic, count, side, side].forEach((word, i) => bytes.writeUInt32BE(word, 4 * i));
  for (let i = 16; i < bytes.length; i++) bytes[i] = (i * 31) % 256;
  return bytes;
}

export function idxLabels(count: number, magic = 0x801): Buffer {
  const bytes = Buffer.alloc(8 + count);
  [magic, count].forEach((word, i) => bytes.writeUInt32BE(word, 4 * i));
  for (let i = 0; i < count; i++) bytes[8 + i] = i % 10;
  return bytes;
}

/** A PPM (3 channels) or PGM (1) picture of interleaved bytes. */
export function netpbm(width: number, height: number, data: Uint8Array): Buffer {
  const magic = data.length === width * height ? 'P5' : 'P6';
  return Buffer.concat([Buffer.from(`${magic}\n# made by a test\n${width} ${height}\n255\n`), data]);
}
