// What the event files of a folder hold already.
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFields } from '../../io/binary/protobuf';
import { ioError, systemCode } from '../../io/system-error';
import type { Recorded } from '../values';
import { masked } from './event';

/** The event files of a folder, as TensorBoard knows them; none where there is no folder. Errors: ERR_IO. */
export async function eventFiles(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => name.includes('tfevents')).map((name) => join(folder, name));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw ioError('read', folder, error);
  }
}

/**
 * The last step of every tag in these files. A file that ends in a torn record counts as far as it is whole. Errors:
 * ERR_IO.
 */
export async function recordedIn(files: readonly string[]): Promise<Recorded> {
  const recorded: Recorded = new Map();
  for (const file of files)
    for await (const event of recordsOf(file)) {
      const { step, tags } = tagsOf(event);
      for (const tag of tags) recorded.set(tag, Math.max(step, recorded.get(tag) ?? -1));
    }
  return recorded;
}

async function* recordsOf(file: string): AsyncGenerator<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const read = async (position: number, length: number): Promise<Buffer> => {
        const bytes = Buffer.alloc(length);
        await handle.read(bytes, 0, length, position);
        return bytes;
      };
      for (let at = 0; at + 16 <= size; ) {
        const head = await read(at, 12);
        const length = Number(head.readBigUInt64LE(0));
        if (!masked(head.subarray(0, 8)).equals(head.subarray(8)) || at + 16 + length > size) return;
        const data = await read(at + 12, length + 4);
        if (!masked(data.subarray(0, length)).equals(data.subarray(length))) return;
        yield data.subarray(0, length);
        at += 16 + length;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('read', file, error);
  }
}

function tagsOf(event: Uint8Array): { step: number; tags: string[] } {
  let step = 0;
  const tags: string[] = [];
  for (const { number, value } of readFields(event)) {
    if (number === 2 && typeof value === 'bigint') step = Number(value);
    if (number !== 5 || typeof value === 'bigint') continue;
    for (const entry of readFields(value)) {
      if (entry.number !== 1 || typeof entry.value === 'bigint') continue;
      for (const field of readFields(entry.value))
        if (field.number === 1 && typeof field.value !== 'bigint') tags.push(Buffer.from(field.value).toString('utf8'));
    }
  }
  return { step, tags };
}
