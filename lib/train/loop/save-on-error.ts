// The end of a run by an error: what can be saved is saved, and the error says how to continue.
import { OneSpikeError, isOneSpikeError } from '../../errors';
import { shellWord } from '../../io/paths';
import type { RunFolder } from '../run/run-folder';
import { isAbort, type Session } from './session';

/**
 * Saves the exact position of a run that `error` has ended: an interruption, or a file that could not be written or
 * read (a full disk). The network is sound after both, and a second attempt to write may succeed. Other errors are
 * returned as they are.
 */
export async function saveOnError(session: Session, error: unknown): Promise<{ saved: boolean; error: unknown }> {
  const aborted = isAbort(error);
  if (!aborted && !isFileError(error)) return { saved: false, error };
  try {
    const saved = await session.saveInterrupted();
    return { saved, error: aborted ? abortError(error) : await withResumeAdvice(error, session.folder) };
  } catch (failure) {
    return { saved: false, error: await withResumeAdvice(aborted ? failure : error, session.folder) };
  }
}

/** An error of a file with how to continue, where there is a run to continue. */
export async function withResumeAdvice(error: unknown, folder: RunFolder): Promise<unknown> {
  if (!isFileError(error) || !(await folder.has(folder.infoPath))) return error;
  const advice = `The run is whole as of its last checkpoint; continue by: onespike resume ${shellWord(folder.path)}`;
  return new OneSpikeError(error.code, `${error.message}. ${advice}`, { cause: error });
}

function isFileError(error: unknown): error is OneSpikeError {
  return isOneSpikeError(error) && (error.code === 'ERR_IO' || error.code === 'ERR_FORMAT');
}

function abortError(error: unknown): OneSpikeError {
  if (error instanceof OneSpikeError) return error;
  return new OneSpikeError('ERR_ABORTED', 'Training was interrupted', { cause: error });
}
