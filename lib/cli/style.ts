// Text for a terminal: colours where they are wanted, numbers as people read them, columns.
import { stripVTControlCharacters } from 'node:util';
import { compact, percent } from '../io/text/numbers';

export { compact, percent };

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Paint = (style: keyof typeof codes, text: string) => string;

/**
 * NO_COLOR (any value but empty) and a dumb terminal mean none, FORCE_COLOR means colours, else it depends on the
 * stream.
 */
export function paintFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Paint {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0';
  const wanted = !env.NO_COLOR && (forced || (stream.isTTY === true && env.TERM !== 'dumb'));
  return (style, text) => (wanted ? `\x1b[${codes[style][0]}m${text}\x1b[${codes[style][1]}m` : text);
}

/** `12 s`, `3 min 04 s`, `2 h 05 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Printed columns, colours not counted. */
export function visibleWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

/** Rows in columns: the first left-aligned, the others right-aligned (`left` lists further left-aligned ones). */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, visibleWidth(cell))));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => {
        const space = ' '.repeat(widths[i]! - visibleWidth(cell));
        return left.includes(i) ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/**
 * A long job on the live line: what it is, a bar, and the time that is left if `seconds` did what was done since
 * `before`.
 */
export function jobProgress(
  what: string,
  { done, total }: { done: number; total: number },
  seconds: number,
  before = 0,
): string {
  const since = done - before;
  const left = since > 0 ? `  ${duration((seconds * (total - done)) / since)} left` : '';
  return `${what}  ${bar(done / total, 24)}  ${percent(done / total, 0)}${left}`;
}

/** A bar of `width` columns, filled to `share`. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}
