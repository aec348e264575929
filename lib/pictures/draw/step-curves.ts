// Accuracy after each time step, on a logarithmic axis of steps.
import { legendOf } from './lines';
import { linearScale, logScale, number, percent, type Scale } from './scale';
import { element, text, title, type Drawing } from './svg';
import { colour } from './theme';

export interface StepCurve {
  name: string;
  colour: string;
  dashed?: boolean;
  strong?: boolean;
  /** The steps in order, each with the share of correct answers after it. */
  points: readonly { step: number; accuracy: number }[];
  /** Whether it is a level that holds at every step, as that of a network without steps. */
  level?: boolean;
}

const LEFT = 52;
const TOP = 12;
const PLOT_HEIGHT = 260;
/** As many points as can be told apart. */
const MOST_POINTS = 160;

export function drawStepCurves(curves: readonly StepCurve[], width: number): Drawing {
  const last = Math.max(2, ...curves.flatMap(({ points }) => points.map(({ step }) => step)));
  const accuracies = curves.flatMap(({ points }) => points.map(({ accuracy }) => accuracy));
  const right = width - 12;
  const bottom = TOP + PLOT_HEIGHT;
  const x = logScale([1, last], [LEFT, right]);
  const y = linearScale([Math.min(...accuracies, 1), Math.max(...accuracies, 0)], [bottom, TOP]);
  const horizontal = y.ticks.map((tick) => {
    const line = element('line', { x1: LEFT, x2: right, y1: y.at(tick), y2: y.at(tick), stroke: colour('line') });
    return line + text(LEFT - 8, y.at(tick) + 4, percent(tick, 0), { 'text-anchor': 'end', fill: colour('quiet') });
  });
  const vertical = x.ticks.map((tick) => {
    const line = element('line', { x1: x.at(tick), x2: x.at(tick), y1: TOP, y2: bottom, stroke: colour('line') });
    return line + text(x.at(tick), bottom + 16, number(tick), { 'text-anchor': 'middle', fill: colour('quiet') });
  });
  const legend = legendOf(curves, undefined, right - LEFT);
  const axis = text((LEFT + right) / 2, bottom + 32, 'time steps', { 'text-anchor': 'middle', fill: colour('quiet') });
  // The strong ones lie on top.
  const inOrder = [...curves].sort((a, b) => Number(a.strong ?? false) - Number(b.strong ?? false));
  const body = [
    ...horizontal,
    ...vertical,
    axis,
    ...inOrder.map((curve) => drawCurve(curve, x, y, { left: LEFT, right })),
    element('g', { transform: `translate(${LEFT} ${bottom + 34})` }, legend.body),
  ];
  return { width, height: bottom + 34 + legend.height, body: body.join('\n') };
}

function drawCurve(
  { name, colour: stroke, dashed, strong, level, points }: StepCurve,
  x: Scale,
  y: Scale,
  ends: { left: number; right: number },
): string {
  const shown = thinned(points);
  const at = shown.map(({ step, accuracy }) => ({ x: x.at(step), y: y.at(accuracy) }));
  const line = level
    ? `M${ends.left} ${round(at[0]!.y)}H${ends.right}`
    : at.map((point, i) => `${i > 0 ? 'L' : 'M'}${round(point.x)} ${round(point.y)}`).join('');
  const path = element('path', {
    d: line,
    fill: 'none',
    stroke,
    'stroke-width': strong ? 3.5 : 2,
    'stroke-linejoin': 'round',
    'stroke-dasharray': dashed ? '6 4' : undefined,
  });
  const end = at.at(-1)!;
  const { step, accuracy } = points.at(-1)!;
  const words = level ? `${name}: ${percent(accuracy, 2)}` : `${name}, step ${step}: ${percent(accuracy, 2)}`;
  const dot = level ? '' : element('circle', { cx: end.x, cy: end.y, r: strong ? 5 : 3.5, fill: stroke }, title(words));
  return path + dot;
}

/** Points at about equal distances on the logarithmic axis, the first and the last among them. */
function thinned<P>(points: readonly P[]): P[] {
  if (points.length <= MOST_POINTS) return [...points];
  const wanted = new Set<number>([0]);
  for (let i = 0; i < MOST_POINTS; i++) wanted.add(Math.round(points.length ** (i / (MOST_POINTS - 1))) - 1);
  return [...wanted].sort((a, b) => a - b).map((index) => points[index]!);
}

const round = (value: number): number => Math.round(value * 100) / 100;
