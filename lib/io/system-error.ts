// The one place where an error of the operating system becomes an error with a code.
import { OneSpikeError } from '../errors';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'something else has that name',
  ENOTEMPTY: 'the folder is not empty',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
  EXDEV: 'the two places are on different file systems',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than allowed',
  EROFS: 'the file system is read-only',
  EIO: 'the device reports an input/output error',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files on this machine',
  ETXTBSY: 'the file is in use',
  ESTALE: 'the network file system has lost the file',
};

/** What a person can do about it, where that is known. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space there',
  EDQUOT: 'free some space there',
  EFBIG: 'raise the limit (ulimit -f)',
  EROFS: 'name a place that can be written to',
  EMFILE: 'raise the limit (ulimit -n)',
};

/** The `code` of an error of the operating system, or an empty string. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/**
 * `Cannot <action> <path>: <reason> (<code>); <advice>` as ERR_IO, with the error of the operating system as its cause.
 * An error that has a code of the closed set already is returned unchanged.
 */
export function ioError(action: string, path: string, error: unknown): OneSpikeError {
  if (error instanceof OneSpikeError) return error;
  const code = systemCode(error);
  const reason = Object.hasOwn(REASONS, code)
    ? `${REASONS[code]} (${code})`
    : String((error as { message?: unknown } | null | undefined)?.message ?? error);
  const advice = Object.hasOwn(ADVICE, code) ? `; ${ADVICE[code]}` : '';
  return new OneSpikeError('ERR_IO', `Cannot ${action} ${path}: ${reason}${advice}`, { cause: error });
}
