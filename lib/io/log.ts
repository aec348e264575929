// A log file of which only the beginning counts: the caller that appends says how long it is.
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

import { OneSpikeError } from '../errors';
import { flush, flushFolder, writeAll } from './descriptor';
import { ioError } from './system-error';

/**
 * Makes `bytes` the end of a log: they are written at byte `position`, and whatever followed is cut off. A log that is
 * gone or empty begins anew. Returns the new length. Errors: ERR_IO, and then the log ends at `position` again, as far
 * as the system allows; ERR_FORMAT if the log is shorter than `position`.
 */
export async function appendAt(path: string, position: number, bytes: Uint8Array): Promise<number> {
  return withLog(path, position, async (handle, start) => {
    try {
      const end = await writeAll(handle, bytes, start);
      await flush(handle);
      return end;
    } catch (error) {
      await handle.truncate(start).catch(() => undefined);
      throw error;
    }
  });
}

/** Cuts a log back to byte `position` and returns its length, 0 for a log that is gone. Errors: as `appendAt`. */
export async function cutBack(path: string, position: number): Promise<number> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size === 0 || size === position) return size;
  return withLog(path, position, async (handle, start) => {
    await flush(handle);
    return start;
  });
}

/** Opens the log and cuts it back to where the next bytes belong. */
async function withLog<T>(
  path: string,
  position: number,
  work: (handle: FileHandle, start: number) => Promise<T>,
): Promise<T> {
  try {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
    try {
      const { size } = await handle.stat();
      const start = size === 0 ? 0 : position;
      // To cut a file to more than it has would fill the gap with zeros.
      if (size < start) throw shorter(path, start, size);
      if (size > start) await handle.truncate(start);
      const result = await work(handle, start);
      if (size === 0) await flushFolder(dirname(path));
      return result;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('append to', path, error);
  }
}

function shorter(path: string, wanted: number, size: number): OneSpikeError {
  return new OneSpikeError(
    'ERR_FORMAT',
    `Expected at least ${wanted} bytes in ${path} but received ${size}; put the missing lines back, or remove the file to continue with an empty one`,
  );
}
