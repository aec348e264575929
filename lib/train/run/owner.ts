// Who holds the lock of a run, and whether that process is still there.
import { readdirSync, readFileSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { hostname } from 'node:os';

export interface Owner {
  pid: number;
  /** The host name, for messages. */
  host: string;
  /**
   * Boot of the machine and namespace of its process ids: only where both are the same does `pid` mean anything. Empty
   * where unknown.
   */
  place: string;
  /**
   * Start of the process in clock ticks since boot: a later process with the same id has another. Empty where unknown.
   */
  started: string;
  token: string;
}

/** This process, in a lock told apart by `token`. */
export function thisOwner(token: string): Owner {
  const { pid } = process;
  return { pid, host: hostname(), place: thisPlace(), started: processState(pid)?.started ?? '', token };
}

/** What a lock file says, or undefined for anything but an owner. */
export function parseOwner(text: string): Owner | undefined {
  try {
    const value = JSON.parse(text) as Partial<Owner> | null;
    if (typeof value !== 'object' || value === null || !(Number.isSafeInteger(value.pid) && (value.pid as number) > 0))
      return undefined;
    const { pid, host = '', place = '', started = '', token = '' } = value;
    const texts = [host, place, started, token];
    return texts.every((text) => typeof text === 'string')
      ? { pid: pid as number, host, place, started, token }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `here` if the owner's process lives on this machine, `gone` if it ended, `unknown` if it was on another machine or in
 * another container.
 */
export function whereIs(owner: Owner, lock: Stats): 'here' | 'gone' | 'unknown' {
  const place = thisPlace();
  const sameMachine = owner.place === '' || place === '' ? owner.host === hostname() : owner.place === place;
  if (!sameMachine) return 'unknown';
  if (!isAlive(owner)) return 'gone';
  return owner.pid === process.pid ? whereIsOwn(lock) : 'here';
}

/**
 * Whether a run of this process holds the lock: it keeps the file open, and a worker thread that was terminated does
 * not. Threads share descriptors, so this sees the locks of other workers as well.
 */
function whereIsOwn(lock: Stats): 'here' | 'gone' | 'unknown' {
  let descriptors: string[];
  try {
    descriptors = readdirSync('/proc/self/fd');
  } catch {
    return 'unknown';
  }
  const isLock = (descriptor: string): boolean => {
    try {
      const { ino, dev } = statSync(`/proc/self/fd/${descriptor}`);
      return ino === lock.ino && dev === lock.dev;
    } catch {
      return false; // closed in the meantime
    }
  };
  return descriptors.some(isLock) ? 'here' : 'gone';
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = processState(owner.pid);
  if (now === undefined) return true;
  return now.state !== 'Z' && now.state !== 'X' && (owner.started === '' || owner.started === now.started);
}

/**
 * Fields 3 and 22 of /proc/PID/stat. The command in field 2 may hold blanks and brackets, so fields count from the last
 * bracket.
 */
function processState(pid: number): { state: string; started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function thisPlace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}
