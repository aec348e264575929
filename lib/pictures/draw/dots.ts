// A table of dots: a row for every subject, a column for every quantity, each on an axis of its own.
import { linearScale, logScale, type Scale } from './scale';
import { element, fitted, text, textWidth, title, type Drawing } from './svg';
import { colour } from './theme';

export interface DotColumn {
  title: string;
  /** A second line, in small. */
  unit: string;
  axis: 'linear' | 'log';
  /** What is written at the marks of the axis. */
  mark: (value: number) => string;
}

export interface DotCell {
  /** Null where there is nothing to draw; on a logarithmic axis so is 0. */
  value: number | null;
  label: string;
  /** A thin line goes from the dot to here. */
  to?: number;
}

export interface DotRow {
  name: string;
  colour: string;
  /** Whether the row stands out. */
  strong?: boolean;
  cells: readonly DotCell[];
}

const ROW_HEIGHT = 26;
const HEAD = 44;
const FOOT = 24;
const GAP = 44;

/** The drawing is `width` pixels wide; the names have `names` of them. */
export function drawDots(
  columns: readonly DotColumn[],
  rows: readonly DotRow[],
  { width, names }: { width: number; names: number },
): Drawing {
  const bottom = HEAD + rows.length * ROW_HEIGHT;
  const each = (width - names) / columns.length;
  const rowAt = (i: number): number => HEAD + (i + 0.5) * ROW_HEIGHT;
  const parts = rows.map(({ name, colour: fill, strong }, i) => {
    const band = strong
      ? element('rect', { x: 0, y: HEAD + i * ROW_HEIGHT, width, height: ROW_HEIGHT, fill: colour('page'), rx: 4 })
      : '';
    return (
      band +
      element('circle', { cx: 10, cy: rowAt(i), r: 5, fill }) +
      text(22, rowAt(i) + 4, fitted(name, names - 26, 13), {
        fill: colour('ink'),
        'font-size': 13,
        'font-weight': strong ? 700 : undefined,
      })
    );
  });
  const panels = columns.map((column, c) => {
    const panel = { left: names + c * each + GAP / 2, right: names + (c + 1) * each - GAP / 2, bottom };
    return panelOf(
      column,
      rows.map(({ cells, colour: fill, name, strong }) => ({ ...cells[c]!, fill, name, strong })),
      panel,
      rowAt,
    );
  });
  return { width, height: bottom + FOOT, body: [...parts, ...panels].join('\n') };
}

interface Panel {
  left: number;
  right: number;
  bottom: number;
}

type Dot = DotCell & { fill: string; name: string; strong: boolean | undefined };

function panelOf(
  column: DotColumn,
  dots: readonly Dot[],
  { left, right, bottom }: Panel,
  rowAt: (row: number) => number,
): string {
  const drawn = dots.map(({ value }) => (value === null || (column.axis === 'log' && value <= 0) ? null : value));
  const values = [...drawn, ...dots.map(({ to }) => to ?? null)].filter((value) => value !== null);
  const scale = scaleOf(column.axis, values, [left, right]);
  const lines = marksOf(scale.ticks, scale, column.mark).map(
    ({ at, words }) =>
      element('line', { x1: at, x2: at, y1: HEAD - 2, y2: bottom, stroke: colour('line') }) +
      text(at, bottom + 15, words, { 'text-anchor': 'middle', fill: colour('quiet'), 'font-size': 11 }),
  );
  const marks = dots.map((dot, row) => {
    const y = rowAt(row);
    const value = drawn[row];
    if (value === null || value === undefined) return text(left, y + 4, dot.label, { fill: colour('quiet') });
    const x = scale.at(value);
    const end = dot.to === undefined ? x : scale.at(dot.to);
    // The label stands where there is space for it.
    const after = Math.max(x, end) + 9 + textWidth(dot.label, 12) <= right + GAP / 3;
    return (
      element('line', { x1: x, x2: end, y1: y, y2: y, stroke: dot.fill, 'stroke-width': 2, 'stroke-opacity': 0.55 }) +
      element('circle', { cx: x, cy: y, r: 5, fill: dot.fill }, title(`${dot.name}, ${column.title}: ${dot.label}`)) +
      text(after ? Math.max(x, end) + 9 : Math.min(x, end) - 9, y + 4, dot.label, {
        fill: colour('ink'),
        'text-anchor': after ? undefined : 'end',
        'font-weight': dot.strong ? 700 : undefined,
      })
    );
  });
  const heading =
    text(left, 14, column.title, { fill: colour('ink'), 'font-weight': 600 }) +
    text(left, 30, column.unit, { fill: colour('quiet'), 'font-size': 11 });
  return [heading, ...lines, ...marks].join('');
}

/** The axis has space for a label before its first dot and behind its last. */
function scaleOf(axis: DotColumn['axis'], values: readonly number[], range: [number, number]): Scale {
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (values.length === 0) return linearScale([0, 1], range);
  return axis === 'log'
    ? logScale([low, high], range)
    : linearScale([low, high > low ? high : low + 0.01], range, { count: 3 });
}

/** The marks of an axis whose words do not touch each other. */
function marksOf(
  ticks: readonly number[],
  scale: Scale,
  mark: (value: number) => string,
): { at: number; words: string }[] {
  let free = -Infinity;
  return ticks.flatMap((tick) => {
    const at = scale.at(tick);
    const words = mark(tick);
    const half = textWidth(words, 11) / 2;
    if (at - half < free) return [];
    free = at + half + 4;
    return [{ at, words }];
  });
}
