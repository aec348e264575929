// Finding and reading data files: every failure is an error that names the path and what to do about it.
import { stat, readFile } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';

import { OneSpikeError } from '../errors';
import { absolutePath, homeFolder } from '../io/paths';
import { ioError } from '../io/system-error';

/** What a person can do when files of a public set are missing. */
export function adviceFor(name: string): string {
  return `run \`onespike data fetch ${name}\` or name their folder with --data DIR`;
}

export function abortError(signal: AbortSignal, what: string): OneSpikeError {
  return new OneSpikeError('ERR_ABORTED', `Expected ${what} to finish but received an abort`, { cause: signal.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortError(signal, what);
}

/** The entry's status, or null if nothing is there. Other failures (no permission, a file as a parent) throw ERR_IO. */
export async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw ioError('read', path, error);
  }
}

/**
 * Where data set `name` is looked for when the caller names no folder: `$ONESPIKE_DATA/NAME` if that exists, else
 * `$ONESPIKE_DATA`; without the variable `~/.cache/onespike/NAME`. `forWriting` never chooses the bare
 * `$ONESPIKE_DATA`.
 */
export async function dataDirectory(name: string, directory: string | undefined, forWriting = false): Promise<string> {
  if (directory !== undefined) return absolutePath(directory);
  const root = process.env.ONESPIKE_DATA;
  if (root === undefined || root === '') return join(homeFolder(), '.cache', 'onespike', name);
  const place = absolutePath(root);
  const own = join(place, name);
  return forWriting || (await statOrNull(own)) !== null ? own : place;
}

/** Reads a regular file of at most `maxBytes`; the size is checked before a byte is read. */
export async function readBounded(path: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
  const status = await statOrNull(path);
  if (status === null) throw ioError('read', path, { code: 'ENOENT' });
  if (!status.isFile()) throw new OneSpikeError('ERR_IO', `Cannot read ${path}: not a regular file`);
  if (status.size > maxBytes) {
    throw new OneSpikeError('ERR_FORMAT', `Expected at most ${maxBytes} bytes in ${path} but received ${status.size}`);
  }
  try {
    return await readFile(path, { signal });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `reading ${path}`);
    throw ioError('read', path, error);
  }
}
