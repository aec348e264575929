// Named files out of a .tar.gz, streamed; nothing is unpacked to disk and nothing inflates beyond what is expected.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { isOneSpikeError, OneSpikeError } from '../../errors';
import { ioError } from '../../io/system-error';
import { abortError } from '../files';
import { tarEntries, type TarEntry } from './tar';

/** Bytes allowed for the tar headers and the small text files beside the wanted entries. */
const ALLOWANCE = 4 * 1024 * 1024;

/**
 * The files of an archive that are `wanted`, by their base names. `wanted` says of each how many bytes it may have, and
 * `most` how many all of them may have together; fewer files are returned where the archive does not hold them all.
 *
 * Errors: ERR_FORMAT for damaged gzip or tar data, an entry too large, twice there or not a plain file; ERR_IO if
 * unreadable; ERR_ABORTED.
 */
export async function readArchive(
  path: string,
  wanted: Map<string, number>,
  most: number,
  signal?: AbortSignal,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const gunzip = createGunzip();
  /** What stopped the reading; the pipeline may report the streams that it ended because of it. */
  let first: unknown;
  let inflated = 0;
  const limit = ALLOWANCE + most;
  const refuse = (what: string, received: string): OneSpikeError =>
    new OneSpikeError('ERR_FORMAT', `Expected ${what} but received ${received}`);

  async function* limited(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      inflated += chunk.length;
      if (inflated > limit) throw refuse(`at most ${limit} bytes inflated from ${path}`, 'more');
      yield chunk;
    }
  }

  /** What is wrong with an entry that is wanted, if anything. */
  function problem(entry: TarEntry, name: string, largest: number): OneSpikeError | undefined {
    const place = `entry ${entry.name} in ${path}`;
    if (entry.kind !== 'file') return refuse(`a plain file for ${place}`, `a ${entry.kind}`);
    if (files.has(name)) return refuse(`one entry ${name} in ${path}`, 'two');
    return entry.size > largest ? refuse(`at most ${largest} bytes for ${place}`, String(entry.size)) : undefined;
  }

  async function collect(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const entry of tarEntries(limited(chunks))) {
      const name = entry.name.replace(/\/$/, '').split('/').pop() ?? '';
      const largest = wanted.get(name);
      if (largest === undefined || entry.kind === 'directory') continue;
      const refusal = problem(entry, name, largest);
      if (refusal !== undefined) throw refusal;
      files.set(name, await entry.content());
    }
  }

  try {
    const noting = (chunks: AsyncIterable<Buffer>): Promise<void> =>
      collect(chunks).catch((error: unknown) => {
        first = error;
        throw error;
      });
    await pipeline(createReadStream(path), gunzip, noting, { signal });
  } catch (thrown) {
    if (signal?.aborted) throw abortError(signal, `reading ${path}`);
    const error = first ?? thrown;
    if (isOneSpikeError(error)) throw error;
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw ioError('read', path, error);
    const where = `compressed byte ${gunzip.bytesWritten}, inflated byte ${inflated}`;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected an intact .tar.gz in ${path} but received damaged data near ${where}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return files;
}
