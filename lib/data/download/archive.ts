/** Named files out of a .tar.gz, streamed; nothing is unpacked to disk and nothing inflates beyond what is expected. */
import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import * as tar from 'tar-stream';

import { isOneSpikeError, OneSpikeError } from '../../errors';
import { ioError } from '../../io/system-error';
import { abortError } from '../files';

/** Bytes allowed for the tar headers and the small text files beside the wanted entries. */
const allowance = 4 * 1024 * 1024;

/**
 * @param wanted  base name of each file -> the most bytes it may have
 * @param signal  stops the reading (ERR_ABORTED)
 * @returns the wanted files that the archive holds, by base name, and the base names of all its entries
 * @throws ERR_FORMAT for damaged gzip or tar data, an entry too large, twice there or not a plain file; ERR_IO if unreadable
 */
export async function readArchive(
  path: string,
  wanted: Map<string, number>,
  signal?: AbortSignal,
): Promise<{ files: Map<string, Buffer>; names: Set<string> }> {
  const found = new Map<string, Buffer>();
  const names = new Set<string>();
  const gunzip = createGunzip();
  const extract = tar.extract();
  let inflated = 0;
  let limit = allowance;
  for (const size of wanted.values()) limit += size;
  const limiter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      inflated += chunk.length;
      if (inflated > limit) {
        done(
          new OneSpikeError('ERR_FORMAT', `Expected at most ${limit} bytes inflated from ${path} but received more`),
        );
      } else {
        done(null, chunk);
      }
    },
  });

  let refusal: OneSpikeError | undefined;
  extract.on('entry', (header, stream, next) => {
    // A refused or failing entry surfaces through the pipeline; without a listener its own event would end the process.
    stream.on('error', () => undefined);
    const name = header.name.replace(/\/$/, '').split('/').pop() ?? '';
    names.add(name);
    const most = wanted.get(name);
    if (most === undefined || header.type === 'directory') {
      stream.on('end', () => next());
      stream.resume();
      return;
    }
    const size = header.size ?? 0;
    const problem =
      header.type !== 'file'
        ? `a plain file for entry ${header.name}`
        : found.has(name)
          ? `one entry ${name}`
          : size > most
            ? `at most ${most} bytes for entry ${header.name}`
            : undefined;
    if (problem !== undefined) {
      const received = header.type !== 'file' ? `a ${header.type}` : found.has(name) ? 'two' : `${size}`;
      refusal = new OneSpikeError('ERR_FORMAT', `Expected ${problem} in ${path} but received ${received}`);
      extract.destroy(refusal);
      return;
    }
    const content = Buffer.allocUnsafe(size);
    let filled = 0;
    stream.on('data', (chunk) => {
      filled += (chunk as Buffer).copy(content, filled);
    });
    stream.on('end', () => {
      if (filled === size) found.set(name, content);
      next();
    });
  });

  try {
    await pipeline(createReadStream(path), gunzip, limiter, extract, { signal });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `reading ${path}`);
    if (refusal !== undefined) throw refusal;
    if (isOneSpikeError(error)) throw error;
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw ioError('read', path, error);
    const where = `compressed byte ${gunzip.bytesWritten}, inflated byte ${inflated}`;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected an intact .tar.gz in ${path} but received damaged data near ${where}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return { files: found, names };
}
