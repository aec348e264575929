/** Finding and reading data files: every failure is an error that names the path and what to do about it. */
import { stat, readFile } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

import { OneSpikeError } from '../errors';

/** What a person can do when files of a public set are missing. */
export function adviceFor(name: string): string {
  return `run \`onespike data fetch ${name}\` or name their folder with --data DIR`;
}

export function ioError(what: string, path: string, cause: unknown): OneSpikeError {
  const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new OneSpikeError('ERR_IO', `Expected ${what} at ${path} but received ${reason}`, { cause });
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
    throw ioError('a readable entry', path, error);
  }
}

/**
 * Where data set `name` is looked for when the caller names no folder: `$ONESPIKE_DATA/NAME` if that exists, else
 * `$ONESPIKE_DATA`; without the variable `~/.cache/onespike/NAME`. `forWriting` never chooses the bare `$ONESPIKE_DATA`.
 */
export async function dataDirectory(name: string, directory: string | undefined, forWriting = false): Promise<string> {
  if (directory !== undefined) return resolve(expandHome(directory));
  const root = process.env.ONESPIKE_DATA;
  if (root === undefined || root === '') return join(homeFolder(), '.cache', 'onespike', name);
  const place = resolve(expandHome(root));
  const own = join(place, name);
  return forWriting || (await statOrNull(own)) !== null ? own : place;
}

/** `~/x` as the shell reads it: it does so neither within quotes nor in files. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homeFolder(), path.slice(1)) : path;
}

/** Errors: ERR_IO for a user without one, as containers have them. */
function homeFolder(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_IO',
      'Expected a home folder but received a user without one; name a folder by --data or ONESPIKE_DATA',
      { cause },
    );
  }
}

/** Reads a regular file of at most `maxBytes`; the size is checked before a byte is read. */
export async function readBounded(path: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
  const status = await statOrNull(path);
  if (status === null) throw ioError('a file', path, 'ENOENT');
  if (!status.isFile()) throw ioError('a regular file', path, 'something else');
  if (status.size > maxBytes) {
    throw new OneSpikeError('ERR_FORMAT', `Expected at most ${maxBytes} bytes in ${path} but received ${status.size}`);
  }
  try {
    return await readFile(path, { signal });
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `reading ${path}`);
    throw ioError('a readable file', path, error);
  }
}
