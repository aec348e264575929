// Curves over epochs, phase beside phase.
import { escaped } from '../../io/markup';
import { linearScale, logScale, number, percent, type Scale } from './scale';
import { element, fitted, text, textWidth, title, type Drawing } from './svg';
import { colour } from './theme';

export interface Point {
  x: number;
  y: number;
}

/** Several of the same name have one entry in the legend. */
export interface Curve {
  name: string;
  colour: string;
  dashed?: boolean;
  points: readonly Point[];
}

/** Single results, each with what it is. */
export interface Mark extends Point {
  name: string;
}

/** A stretch of the horizontal axis with a numbering of its own, from 1. */
export interface Band {
  name: string;
  /** The axis before the first epoch. */
  from: number;
  epochs: number;
}

export interface LineChart {
  bands: readonly Band[];
  curves: readonly Curve[];
  marks?: { name: string; points: readonly Mark[] };
  /** `share` is written in percent and begins at 0. */
  values: 'number' | 'share' | 'log';
  /** Whether the axis of values begins at 0, as it does by default. */
  fromZero?: boolean;
  /** In pixels; 520 by default, so that two charts stand beside each other. */
  width?: number;
}

const HEIGHT = 290;
const LEFT = 58;
const RIGHT = 16;
const TOP = 30;
const LEGEND_LINE = 20;

export function drawLines({ bands, curves, marks, values, fromZero = true, width = 520 }: LineChart): Drawing {
  const legend = legendOf(curves, marks?.name, width - LEFT - RIGHT);
  const bottom = 40 + legend.height;
  const plot = { left: LEFT, right: width - RIGHT, top: TOP, bottom: HEIGHT - 40 };
  const total = bands.reduce((sum, { epochs }) => sum + epochs, 0);
  const x = linearScale([0.5, total + 0.5], [plot.left, plot.right], { nice: false });
  const y = valueScale(values, [...curves.flatMap(({ points }) => points), ...(marks?.points ?? [])], plot, fromZero);
  const format = values === 'share' ? (value: number): string => percent(value, y.ticks[1]! < 0.01 ? 1 : 0) : number;
  const body = [
    ...y.ticks.map((tick) => horizontal(tick, y, plot, format)),
    ...bands.map((band) => drawBand(band, x, plot)),
    ...curves.map((curve) => drawCurve(curve, x, y, values)),
    ...(marks?.points ?? []).map((mark) => drawMark(mark, x, y, values)),
    element('g', { transform: `translate(${LEFT} ${HEIGHT - 8})` }, legend.body),
  ];
  return { width, height: HEIGHT - 40 + bottom, body: body.join('\n') };
}

interface Plot {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

function valueScale(values: LineChart['values'], points: readonly Point[], plot: Plot, fromZero: boolean): Scale {
  const ys = points.map(({ y }) => y).filter((y) => Number.isFinite(y) && (values !== 'log' || y > 0));
  const low = ys.reduce((least, y) => Math.min(least, y), Infinity);
  const high = ys.reduce((most, y) => Math.max(most, y), -Infinity);
  const range: [number, number] = [plot.bottom, plot.top];
  if (ys.length === 0) return linearScale([0, 1], range);
  if (values === 'log') return logScale([low, high], range);
  return linearScale(fromZero ? [Math.min(0, low), high > 0 ? high : 1] : [low, high], range);
}

function horizontal(tick: number, y: Scale, plot: Plot, format: (value: number) => string): string {
  const at = y.at(tick);
  const line = element('line', { x1: plot.left, x2: plot.right, y1: at, y2: at, stroke: colour('line') });
  return line + text(plot.left - 8, at + 4, format(tick), { 'text-anchor': 'end', fill: colour('quiet') });
}

/** Name, epochs along the axis, and a line where the phase begins. */
function drawBand({ name, from, epochs }: Band, x: Scale, plot: Plot): string {
  const start = x.at(from + 0.5);
  const end = x.at(from + epochs + 0.5);
  const parts: string[] = [];
  const head = fitted(name, end - start - 8);
  parts.push(text(start + 6, plot.top - 10, head, { fill: colour('ink'), 'font-weight': 600 }));
  parts.push(
    element('line', {
      x1: start,
      x2: start,
      y1: plot.top - 22,
      y2: plot.bottom,
      stroke: colour('quiet'),
      'stroke-dasharray': '2 3',
    }),
  );
  const room = Math.max(1, Math.floor((end - start) / 46));
  const { ticks } = linearScale([1, Math.max(epochs, 2)], [0, 1], { count: room, nice: false });
  const marks = ticks.filter((tick) => Number.isInteger(tick) && tick >= 1 && tick <= epochs);
  for (const tick of marks.length > 0 ? marks : [epochs])
    parts.push(
      text(x.at(from + tick), plot.bottom + 16, String(tick), { 'text-anchor': 'middle', fill: colour('quiet') }),
    );
  return parts.join('');
}

const MOST_MARKED = 40;

function drawCurve(
  { name, colour: stroke, dashed, points }: Curve,
  x: Scale,
  y: Scale,
  values: LineChart['values'],
): string {
  const drawn = points.filter((point) => Number.isFinite(point.y) && (values !== 'log' || point.y > 0));
  const at = (point: Point): string => `${round(x.at(point.x))} ${round(y.at(point.y))}`;
  // A phase of one epoch is a dot without a line; a gap between phases is none of the curve.
  const path = drawn.map((point, i) => `${i > 0 && drawn[i - 1]!.x < point.x ? 'L' : 'M'}${at(point)}`).join('');
  const line = element('path', {
    d: path === '' ? undefined : path,
    fill: 'none',
    stroke,
    'stroke-width': 2,
    'stroke-linejoin': 'round',
    'stroke-dasharray': dashed ? '6 4' : undefined,
  });
  const dots =
    drawn.length > MOST_MARKED
      ? ''
      : drawn
          .map((point) =>
            element(
              'circle',
              { cx: x.at(point.x), cy: y.at(point.y), r: 3, fill: stroke },
              title(`${name}: ${spoken(point.y, values)}`),
            ),
          )
          .join('');
  return line + dots;
}

function drawMark({ name, x: epoch, y: value }: Mark, x: Scale, y: Scale, values: LineChart['values']): string {
  const [cx, cy] = [x.at(epoch), y.at(value)];
  const d = `M${round(cx)} ${round(cy - 7)}l7 7l-7 7l-7 -7z`;
  return element(
    'path',
    { d, fill: colour('ink'), stroke: colour('paper'), 'stroke-width': 1.5 },
    title(`${name}: ${spoken(value, values)}`),
  );
}

function spoken(value: number, values: LineChart['values']): string {
  return values === 'share' ? percent(value, 2) : number(value);
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** The legend of curves and marks, in lines that fit the width, its first baseline at 20. */
export function legendOf(
  curves: readonly Pick<Curve, 'name' | 'colour' | 'dashed'>[],
  marks: string | undefined,
  width: number,
): { body: string; height: number } {
  const entries = [
    ...curves
      .filter(({ name }, i) => curves.findIndex((each) => each.name === name) === i)
      .map(({ name, colour: stroke, dashed }) => ({
        name,
        sign: element('line', {
          x1: 0,
          x2: 22,
          y1: -4,
          y2: -4,
          stroke,
          'stroke-width': 3,
          'stroke-dasharray': dashed ? '6 4' : undefined,
        }),
      })),
    ...(marks === undefined
      ? []
      : [{ name: marks, sign: element('path', { d: 'M11 -11l7 7l-7 7l-7 -7z', fill: colour('ink') }) }]),
  ];
  let [x, y] = [0, LEGEND_LINE];
  const drawn = entries.map(({ name, sign }) => {
    const needed = 30 + textWidth(name) + 18;
    if (x > 0 && x + needed > width) [x, y] = [0, y + LEGEND_LINE];
    const placed = element(
      'g',
      { transform: `translate(${round(x)} ${y})` },
      `${sign}<text x="28" y="0" fill="${colour('ink')}">${escaped(name)}</text>`,
    );
    x += needed;
    return placed;
  });
  return { body: drawn.join(''), height: y + 8 };
}
