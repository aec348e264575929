// When a command has to end: its own limit, or that of a job of Slurm.
import { ValueError } from './usage';

/** Slurm ends a job at its limit: what is saved must be on disk by then. */
const SLURM_SECONDS = 60;
const secondsOf = { d: 86400, h: 3600, m: 60, s: 1 } as const;

/** For commander: the seconds of a duration, in units (90m, 1h30m) or as Slurm writes it (30, 8:00:00, 1-12:00). */
export function durationOption(text: string): number {
  const seconds = inUnits(text) ?? asSlurm(text);
  if (seconds === undefined || !(seconds > 0))
    throw new ValueError('a duration such as 90m, 1h30m, 45s, 8:00:00 (hours) or 1-12:00:00 (days and hours)', text);
  return seconds;
}

function inUnits(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?[dhms])+$/.test(text)) return undefined;
  const parts = text.matchAll(/([\d.]+)([dhms])/g);
  return [...parts].reduce((sum, [, number, unit]) => sum + Number(number) * secondsOf[unit as 'd'], 0);
}

/** MINUTES, MINUTES:SECONDS, HOURS:MINUTES:SECONDS, DAYS-HOURS[:MINUTES[:SECONDS]] */
function asSlurm(text: string): number | undefined {
  const found = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(text);
  if (found === null) return undefined;
  const [days, a, b, c] = found.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  if (days !== undefined) return days * 86400 + a! * 3600 + (b ?? 0) * 60 + (c ?? 0);
  return c === undefined ? a! * 60 + (b ?? 0) : a! * 3600 + b! * 60 + c;
}

/** The end of a command, and why. */
export interface TimeLimit {
  /** Milliseconds from now on; below 0 where it has passed. */
  milliseconds: number;
  reason: string;
}

/**
 * What comes first: `limit` seconds from the start of this process, or a minute before the end of the job of Slurm.
 * Undefined without either.
 */
export function timeLimit(
  limit: number | undefined,
  { SLURM_JOB_END_TIME: end }: NodeJS.ProcessEnv = process.env,
): TimeLimit | undefined {
  const limits: TimeLimit[] = [];
  if (limit !== undefined)
    limits.push({ milliseconds: limit * 1000 - performance.now(), reason: 'the time limit is reached' });
  if (end !== undefined && /^\d+$/.test(end)) {
    const milliseconds = Number(end) * 1000 - Date.now() - SLURM_SECONDS * 1000;
    limits.push({ milliseconds, reason: 'the job of Slurm ends in a minute' });
  }
  return limits.sort((a, b) => a.milliseconds - b.milliseconds)[0];
}
