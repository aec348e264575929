// A square of shares: what images of a class (row) were taken for (column).
import { percent } from './scale';
import { element, fitted, text, textWidth, title, type Drawing } from './svg';
import { colour } from './theme';

export interface Matrix {
  names: readonly string[];
  /** Images of class `row` that were taken for class `column`. */
  counts: readonly (readonly number[])[];
}

/** Classes beyond which the cells say nothing any more. */
export const MOST_CLASSES = 200;
const NUMBERS_UP_TO = 20;
const NAMES_UP_TO = 60;

export function drawMatrix({ names, counts }: Matrix): Drawing {
  const count = names.length;
  const named = count <= NAMES_UP_TO;
  const cell = count <= NUMBERS_UP_TO ? 44 : Math.max(3, Math.floor(640 / count));
  const size = named ? Math.min(12, cell) : 12;
  const longest = Math.min(120, Math.max(...names.map((name) => textWidth(name, size))));
  const left = named ? longest + 30 : 30;
  const top = named ? longest * 0.75 + 30 : 30;
  const side = count * cell;
  const cells = counts.flatMap((row, i) => {
    const total = row.reduce((sum, value) => sum + value, 0);
    return row.map((value, j) =>
      value === 0
        ? ''
        : drawCell(
            value / total,
            value,
            { x: left + j * cell, y: top + i * cell, cell },
            i === j,
            `${names[i]} taken for ${names[j]}: ${value} of ${total}`,
          ),
    );
  });
  const labels = !named
    ? []
    : names.flatMap((name, i) => {
        const middle = (i + 0.5) * cell;
        const shown = fitted(name, longest, size);
        return [
          text(left - 6, top + middle + size / 3, shown, {
            'text-anchor': 'end',
            'font-size': size,
            fill: colour('ink'),
          }),
          element(
            'g',
            { transform: `translate(${left + middle} ${top - 6}) rotate(-40)` },
            text(0, 0, shown, { 'font-size': size, fill: colour('ink') }),
          ),
        ];
      });
  const frame = element('rect', { x: left, y: top, width: side, height: side, fill: 'none', stroke: colour('line') });
  const axes =
    element(
      'g',
      { transform: `translate(12 ${top + side / 2}) rotate(-90)` },
      text(0, 0, 'class of the image', { 'text-anchor': 'middle', fill: colour('quiet') }),
    ) +
    text(left + side / 2, top + side + 18, 'answer of the network', { 'text-anchor': 'middle', fill: colour('quiet') });
  return {
    width: left + side + (named ? longest * 0.8 : 8),
    height: top + side + 26,
    body: [frame, ...cells, ...labels, axes].join('\n'),
  };
}

function drawCell(
  share: number,
  value: number,
  { x, y, cell }: { x: number; y: number; cell: number },
  right: boolean,
  words: string,
): string {
  // A root makes rare confusions visible.
  const opacity = Math.max(0.06, Math.sqrt(share));
  const square = element(
    'rect',
    { x, y, width: cell, height: cell, fill: colour(right ? 'good' : 'bad'), 'fill-opacity': opacity },
    title(`${words} (${percent(share)})`),
  );
  if (cell < 40) return square;
  const label = text(x + cell / 2, y + cell / 2 + 4, String(value), {
    'text-anchor': 'middle',
    fill: colour(opacity > 0.6 ? 'paper' : 'ink'),
    'pointer-events': 'none',
  });
  return square + label;
}
