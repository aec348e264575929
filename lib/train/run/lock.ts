// One process per run folder. A lock names its owner, so that one left by a process that was killed is no obstacle;
// where nobody can tell (another machine, another container), the time of the file says when its owner was last alive.
import { randomBytes } from 'node:crypto';
import { readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { OneSpikeError } from '../../errors';
import {
  createExclusive,
  fileSystemNow,
  isAt,
  moveAside,
  moveBack,
  readIfThere,
  refresh,
  type FileText,
} from '../../io/exclusive';
import { removeFile } from '../../io/write';
import { parseOwner, thisOwner, whereIs } from './owner';

/** Between two signs of life of an owner. */
const BEAT_MILLISECONDS = 10_000;
/**
 * A lock whose owner has given no sign of life for so long is free: twelve beats, so that a slow disk is not mistaken
 * for the end of a process.
 */
const ABANDONED_MILLISECONDS = 120_000;
/** Who removes an abandoned lock holds its guard file for some milliseconds. */
const GUARD_MILLISECONDS = 10_000;
/** An attempt fails when another process takes or releases the lock at the same moment. */
const ATTEMPTS = 100;

export interface LockOptions {
  /** Takes a lock of another machine or container without waiting until it counts as abandoned. */
  force?: boolean | undefined;
}

export class RunLock {
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly run: string,
    private readonly content: string,
    private handle: FileHandle,
  ) {
    this.timer = setInterval(() => void refresh(this.handle, content), BEAT_MILLISECONDS);
    this.timer.unref();
  }

  /**
   * Takes the lock of a run folder.
   * Errors: ERR_STATE while a living process holds it, or one of another machine that was alive a short time ago;
   * ERR_IO.
   */
  static async take(run: string, { force = false }: LockOptions = {}): Promise<RunLock> {
    const content = JSON.stringify(thisOwner(randomBytes(6).toString('hex')));
    const path = lockPath(run);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const handle = await createExclusive(path, content);
      if (handle !== undefined) return new RunLock(run, content, handle);
      const found = await readIfThere(path);
      if (found === undefined) continue;
      await refuseIfHeld(run, found, force);
      await remove(run, found.text, content);
    }
    throw new OneSpikeError('ERR_IO', `Cannot create ${path}: the name is in use by something that cannot be removed`);
  }

  /**
   * Checks that no other process has taken the lock, as after a long sleep of this machine, or with force; one that was
   * merely removed is created again. Errors: ERR_STATE, upon which nothing must be written to the run.
   */
  async assertHeld(): Promise<void> {
    const path = lockPath(this.run);
    if (await isAt(path, this.handle)) return;
    const found = await readIfThere(path).catch(() => null);
    // What cannot be read says nothing against it.
    if (found === null || found?.text === this.content) return;
    if (found === undefined) {
      const handle = await createExclusive(path, this.content);
      if (handle !== undefined) {
        await this.handle.close();
        this.handle = handle;
        return;
      }
    }
    throw new OneSpikeError(
      'ERR_STATE',
      `Expected to hold the lock of ${this.run} but ${nameOf(found?.text)} has taken it; this process stops without another write`,
    );
  }

  /** Gives the lock back; may be called twice. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    const path = lockPath(this.run);
    const held = await isAt(path, this.handle);
    await this.handle.close().catch(() => undefined);
    if (held) await removeFile(path);
  }
}

/** What the lock of a run says: a process works on it, one has left it behind, or there is none. Errors: ERR_IO. */
export async function lockState(run: string): Promise<'held' | 'left' | 'none'> {
  const found = await readIfThere(lockPath(run));
  if (found === undefined) return 'none';
  const place = placeOf(found);
  const alive = place === 'here' || (place === 'unknown' && Date.now() - found.status.mtimeMs < ABANDONED_MILLISECONDS);
  return alive ? 'held' : 'left';
}

function placeOf({ text, status }: FileText): ReturnType<typeof whereIs> {
  const owner = parseOwner(text);
  return owner === undefined ? 'unknown' : whereIs(owner, status);
}

function lockPath(run: string): string {
  return join(run, 'run.lock');
}

function nameOf(text: string | undefined): string {
  const owner = parseOwner(text ?? '');
  return owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
}

/** Errors: ERR_STATE with what the caller can do. */
async function refuseIfHeld(run: string, found: FileText, force: boolean): Promise<void> {
  const owner = parseOwner(found.text);
  const place = placeOf(found);
  if (place === 'gone') return;
  if (owner !== undefined && place === 'here') {
    throw new OneSpikeError(
      'ERR_STATE',
      owner.pid === process.pid
        ? `Expected a free run folder but ${run} is in use by this process (${owner.pid})`
        : `Expected a free run folder but ${run} is in use by process ${owner.pid}; wait for it, or stop it and resume`,
    );
  }
  if (force) return;
  const age = Math.max(0, (await fileSystemNow(run)) - found.status.mtimeMs);
  if (age >= ABANDONED_MILLISECONDS) return;
  const seconds = (milliseconds: number): string => `${Math.ceil(milliseconds / 1000)} s`;
  const holder =
    owner === undefined
      ? 'a lock that names no process'
      : `process ${owner.pid} on ${owner.host}, which cannot be asked from here`;
  throw new OneSpikeError(
    'ERR_STATE',
    `Expected a free run folder but ${run} is in use by ${holder}. Its last sign of life is ${seconds(age)} old, and after ` +
      `${seconds(ABANDONED_MILLISECONDS)} the lock is free; if the process is gone, ` +
      '`resume --force` takes it at once',
  );
}

/**
 * Removes an abandoned lock. Only who holds the guard file removes, after another look at the content: of two processes
 * that found the same abandoned lock, the slower one would otherwise remove the lock that the quicker one has taken
 * meanwhile.
 */
async function remove(run: string, abandoned: string, content: string): Promise<void> {
  const path = lockPath(run);
  const guard = `${path}.guard`;
  const handle = await createExclusive(guard, content);
  if (handle === undefined) return waitFor(run, guard);
  try {
    if ((await readIfThere(path))?.text === abandoned) await removeFile(path);
  } finally {
    await handle.close();
    await removeFile(guard);
  }
}

/** Waits until a guard file is gone; one whose owner was killed is removed after a while. */
async function waitFor(run: string, guard: string): Promise<void> {
  for (;;) {
    const found = await readIfThere(guard);
    if (found === undefined) return;
    if ((await fileSystemNow(run)) - found.status.mtimeMs >= GUARD_MILLISECONDS) return discard(guard, found.text);
    await setTimeout(20);
  }
}

/**
 * Removes an abandoned guard file. If another process was quicker, what was moved aside is that one's, and it goes
 * back.
 */
async function discard(guard: string, abandoned: string): Promise<void> {
  const aside = await moveAside(guard);
  if (aside === undefined) return;
  const moved = await readFile(aside, 'utf8').catch(() => abandoned);
  if (moved !== abandoned) await moveBack(aside, guard);
  await removeFile(aside);
}
