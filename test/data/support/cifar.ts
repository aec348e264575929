// Small CIFAR files and archives.
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import * as tar from 'tar-stream';

import { cifarRecords } from './helpers';

/** Records of one batch file, whose labels follow from its number. */
export const batch = (number: number, count = 4): Buffer => cifarRecords(count, (i) => [(number + i) % 10]);

export async function writeCifar10(folder: string, count = 4): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let i = 1; i <= 5; i++) await writeFile(join(folder, `data_batch_${i}.bin`), batch(i, count));
  await writeFile(join(folder, 'test_batch.bin'), batch(6, 3));
}

export type Entry = Partial<tar.Header> & { name: string; content?: Buffer };

export async function writeArchive(path: string, entries: Entry[]): Promise<void> {
  const pack = tar.pack();
  for (const { content, ...header } of entries) pack.entry(header, content ?? Buffer.alloc(0));
  pack.finalize();
  await pipeline(pack as unknown as NodeJS.ReadableStream, createGzip(), createWriteStream(path));
}

export const cifar10Entries = (): Entry[] => [
  { name: 'cifar-10-batches-bin/', type: 'directory' },
  { name: 'cifar-10-batches-bin/readme.html', content: Buffer.from('<html>') },
  ...[1, 2, 3, 4, 5].map((i) => ({ name: `cifar-10-batches-bin/data_batch_${i}.bin`, content: batch(i) })),
  { name: 'cifar-10-batches-bin/test_batch.bin', content: batch(6, 3) },
];
