// Paths as people write and read them.
import { homedir } from 'node:os';
import { join, relative, resolve } from 'node:path';

import { OneSpikeError } from '../errors';

/**
 * The absolute form of `path`, `~/` included. Errors: ERR_IO without a working folder, or a home folder, that it counts
 * from.
 */
export function absolutePath(path: string): string {
  try {
    return resolve(expandHome(path));
  } catch (cause) {
    if (cause instanceof OneSpikeError) throw cause;
    throw new OneSpikeError(
      'ERR_IO',
      `Cannot find ${path}: the working folder no longer exists; change to another one (cd), or give an absolute path`,
      { cause },
    );
  }
}

/** `~/x` as the shell reads it: it does so neither within quotes nor in files. Errors: as `homeFolder`. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homeFolder(), path.slice(1)) : path;
}

/**
 * Errors: ERR_IO where the system names none: HOME is not set, and the user has no entry in passwd, as in containers.
 */
export function homeFolder(): string {
  let folder = '';
  try {
    folder = homedir();
  } catch {
    // Answered below, as an empty HOME is.
  }
  if (folder !== '') return folder;
  throw new OneSpikeError(
    'ERR_IO',
    'Expected a home folder but received none (HOME is not set); set ONESPIKE_DATA, or name a folder with --data DIR',
  );
}

/** `path` as one would type it in the working folder: relative if it lies below. */
export function shortPath(path: string): string {
  try {
    const here = relative(process.cwd(), path);
    return here !== '' && !here.startsWith('..') ? here : path;
  } catch {
    return path;
  }
}

/** `text` as one word of a POSIX shell: quoted if it holds anything but letters, digits and harmless signs. */
export function shellWord(text: string): string {
  return /^[\p{L}\p{N}_@%+=:,./-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
