/** One process per run folder. A lock names its owner, so that one left behind by a killed process does not block a resume. */
import { randomBytes } from 'node:crypto';
import { link, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OneSpikeError } from '../../errors';
import { ioError } from '../../io/atomic';

interface Owner {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks since boot: a later process with the same id has another. Empty where unknown. */
  started: string;
  token: string;
}

/** Field 22 of /proc/PID/stat; the command in field 2 may hold blanks and brackets, so fields count from the last bracket. */
function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function alive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = processStart(owner.pid);
  return owner.started === '' || now === '' || owner.started === now;
}

async function readOwner(path: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as Owner;
  } catch {
    throw new OneSpikeError(
      'ERR_STATE',
      `Expected a lock file of onespike at ${path} but received other content; remove the file if no process uses the run`,
    );
  }
}

/**
 * Takes the lock of a run folder; the returned function gives it back (and may be called twice).
 * Errors: ERR_STATE while a living process, or one on another machine, holds it.
 */
export async function lockRun(run: string): Promise<() => Promise<void>> {
  const path = join(run, 'run.lock');
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    started: processStart(process.pid),
    token: randomBytes(6).toString('hex'),
  };
  // Named like every temporary file, so that one left by a killed process is cleared away with the others.
  const own = join(run, `.run.lock.${owner.token}.tmp`);
  const aside = join(run, `.run.lock.${randomBytes(6).toString('hex')}.tmp`);
  try {
    for (;;) {
      try {
        await writeFile(own, JSON.stringify(owner));
        await link(own, path); // atomic, and fails if the lock exists
        break;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // The owner of the lock may have cleared our temporary file away.
        if (code === 'ENOENT' && (await stat(run).catch(() => undefined)) !== undefined) continue;
        if (code !== 'EEXIST') throw ioError('write', own, error);
      }
      const holder = await readOwner(path);
      if (holder === undefined) continue;
      if (holder.host !== owner.host) {
        throw new OneSpikeError(
          'ERR_STATE',
          `Expected a free run folder but ${run} is in use by process ${holder.pid} on ${holder.host}; if that process is gone, remove ${path}`,
        );
      }
      if (alive(holder)) {
        throw new OneSpikeError(
          'ERR_STATE',
          `Expected a free run folder but ${run} is in use by process ${holder.pid}; wait for it, or stop it and resume`,
        );
      }
      await takeAway(path, aside, holder);
    }
  } finally {
    await unlink(own).catch(() => undefined);
  }
  return async () => {
    const holder = await readOwner(path).catch(() => undefined);
    if (holder?.token === owner.token) await unlink(path).catch(() => undefined);
  };
}

/** Moves a dead process's lock aside. If another process was quicker, what was moved is that one's living lock: it goes back. */
async function takeAway(path: string, aside: string, dead: Owner): Promise<void> {
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await readOwner(aside);
  if (moved !== undefined && moved.token !== dead.token) await link(aside, path).catch(() => undefined);
  await unlink(aside).catch(() => undefined);
}
