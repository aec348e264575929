// Horizontal bars: one or several per row, or one of several parts.
import { linearScale } from './scale';
import { element, fitted, text, textWidth, title, type Drawing } from './svg';
import { colour } from './theme';

export interface Bar {
  value: number;
  /** What stands behind the bar. */
  label: string;
  colour: string;
  /** What a pointer is told. */
  title: string;
}

export interface Row {
  name: string;
  /** Beside each other, or behind each other where the chart is `stacked`. */
  bars: readonly Bar[];
  /** What stands behind a row of parts. */
  label?: string;
}

export interface BarChart {
  rows: readonly Row[];
  stacked?: boolean;
  /** Length of the axis; the longest bar otherwise. */
  most?: number;
  legend?: readonly { name: string; colour: string }[];
}

const WIDTH = 720;
const THICK = 16;

export function drawBars({ rows, stacked = false, most, legend = [] }: BarChart): Drawing {
  const names = Math.min(190, Math.max(40, ...rows.map(({ name }) => textWidth(name, 13))));
  const labels = Math.max(
    40,
    ...rows.flatMap(({ bars, label = '' }) => [label, ...bars.map((bar) => bar.label)]).map((each) => textWidth(each)),
  );
  const left = names + 12;
  const longest = Math.max(...rows.flatMap(({ bars }) => bars.map(({ value }) => value)), 0);
  const scale = linearScale([0, most ?? (longest || 1)], [left, WIDTH - labels - 10], { nice: false });
  const top = legend.length > 0 ? 30 : 4;
  let y = top;
  const body = rows.map((row) => {
    const lines = stacked ? 1 : row.bars.length;
    const start = y;
    y += lines * (THICK + 2) + (lines > 1 ? 14 : 8);
    const name = text(left - 8, start + (lines * (THICK + 2)) / 2 + 4, fitted(row.name, names, 12), {
      'text-anchor': 'end',
      fill: colour('ink'),
    });
    return name + (stacked ? parts(row, start, scale.at) : beside(row, start, scale.at));
  });
  const axis = element('line', { x1: left, x2: left, y1: top - 2, y2: y - 4, stroke: colour('quiet') });
  return { width: WIDTH, height: y, body: [legendOf(legend, left), ...body, axis].join('\n') };
}

function beside({ bars }: Row, top: number, at: (value: number) => number): string {
  return bars
    .map(({ value, label, colour: fill, title: words }, i) => {
      const y = top + i * (THICK + 2);
      const length = Math.max(1, at(value) - at(0));
      return (
        element('rect', { x: at(0), y, width: length, height: THICK, fill, rx: 2 }, title(words)) +
        text(at(0) + length + 6, y + 12.5, label, { fill: colour('ink') })
      );
    })
    .join('');
}

function parts({ bars, label = '' }: Row, y: number, at: (value: number) => number): string {
  let sum = 0;
  const drawn = bars.map(({ value, colour: fill, title: words }) => {
    const x = at(sum);
    sum += value;
    if (value === 0) return '';
    return element(
      'rect',
      { x, y, width: at(sum) - x, height: THICK, fill, stroke: colour('quiet'), 'stroke-width': 0.5 },
      title(words),
    );
  });
  return drawn.join('') + text(at(sum) + 6, y + 12.5, label, { fill: colour('ink') });
}

function legendOf(entries: readonly { name: string; colour: string }[], left: number): string {
  let x = left;
  return entries
    .map(({ name, colour: fill }) => {
      const at = x;
      x += 18 + textWidth(name) + 16;
      return (
        element('rect', { x: at, y: 2, width: 12, height: 12, fill, stroke: colour('quiet'), 'stroke-width': 0.5 }) +
        text(at + 18, 12.5, name, { fill: colour('ink') })
      );
    })
    .join('');
}
