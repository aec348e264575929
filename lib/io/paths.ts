// Paths as people write and read them.
import { relative, resolve } from 'node:path';

import { OneSpikeError } from '../errors';

/** The absolute form of `path`. Errors: ERR_IO if it is relative and the working folder no longer exists. */
export function absolutePath(path: string): string {
  try {
    return resolve(path);
  } catch (cause) {
    throw new OneSpikeError(
      'ERR_IO',
      `Cannot find ${path}: the working folder no longer exists; change to another one (cd), or give an absolute path`,
      { cause },
    );
  }
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
