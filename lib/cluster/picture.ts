// A picture (SVG) of what varies, and of energy, against the accuracy: a panel for each, a point for every trial.
import { escaped } from '../io/markup';
import { percent } from '../io/text/numbers';
import type { TrialResult } from './ranking';
import type { Study } from './study';
import { valueText } from './table';

const panel = { width: 300, height: 220, left: 52, right: 16, top: 28, bottom: 46 };
const COLUMNS = 3;
const font = 'font-family="sans-serif" font-size="11"';

/** Places of values along an axis, from 0 to 1, and the values that are written there. */
interface Axis {
  at: (value: unknown) => number;
  ticks: { at: number; text: string }[];
}

interface AccuracyScale {
  low: number;
  high: number;
}

/** Trials that are not done have no accuracy and no point. */
export function accuracyPicture(study: Study, results: readonly TrialResult[]): string {
  const keys = Object.keys(study.parameters);
  const points = results.filter(({ validationAccuracy }) => validationAccuracy !== null);
  const accuracies = points.map(({ validationAccuracy }) => validationAccuracy!);
  const low = accuracies.length === 0 ? 0 : Math.min(...accuracies);
  const high = accuracies.length === 0 ? 1 : Math.max(...accuracies);
  // Some space above and below, and a height where all are equal.
  const margin = Math.max(0.005, 0.08 * (high - low));
  const scale = { low: Math.max(0, low - margin), high: Math.min(1, high + margin) };
  if (study.method === 'arms') return rowsOf(Object.keys(study.arms!), points, scale);
  const subjects = (keys.length > 0 ? keys : ['']).map(
    (key): Subject => ({ title: key, points, valueIn: ({ parameters }) => parameters[key] }),
  );
  const counted = points.filter(({ energyRatio }) => energyRatio !== null);
  if (new Set(counted.map(({ energyRatio }) => energyRatio)).size > 1)
    subjects.push({ title: 'energy, ANN / SNN', points: counted, valueIn: ({ energyRatio }) => energyRatio });
  const panels = subjects.map((subject, i) =>
    panelOf(subject, scale, {
      x: (i % COLUMNS) * panel.width,
      y: Math.floor(i / COLUMNS) * panel.height,
    }),
  );
  const width = panel.width * Math.min(COLUMNS, panels.length);
  const height = panel.height * Math.ceil(panels.length / COLUMNS);
  return picture(width, height, panels.join(''));
}

function picture(width: number, height: number, content: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n` +
    '<title>Validation accuracy of the trials of a study</title>\n' +
    `<rect width="${width}" height="${height}" fill="white"/>\n${content}</svg>\n`
  );
}

function point(x: string, y: string, { trial, validationAccuracy }: TrialResult): string {
  const words = `trial ${trial}: ${percent(validationAccuracy!, 2)}`;
  return `<circle cx="${x}" cy="${y}" r="4" fill="#1f77b4" fill-opacity="0.6"><title>${words}</title></circle>`;
}

const rows = { width: 640, names: 220, right: 30, top: 34, height: 22 };

/** A row for every candidate with a name, which would not fit below an axis. */
function rowsOf(arms: readonly string[], points: readonly TrialResult[], { low, high }: AccuracyScale): string {
  const across = (accuracy: number): string =>
    (rows.names + ((rows.width - rows.names - rows.right) * (accuracy - low)) / (high - low)).toFixed(1);
  const up = (row: number): number => rows.top + (row + 0.5) * rows.height;
  const bottom = rows.top + arms.length * rows.height;
  const lines = [low, (low + high) / 2, high].map(
    (accuracy) =>
      `<line x1="${across(accuracy)}" x2="${across(accuracy)}" y1="${rows.top}" y2="${bottom}" stroke="#ccc"/>` +
      `<text x="${across(accuracy)}" y="${rows.top - 6}" text-anchor="middle">${percent(accuracy)}</text>`,
  );
  const names = arms.map(
    (arm, row) =>
      `<text x="${rows.names - 14}" y="${up(row)}" dy="4" text-anchor="end">${escaped(arm.slice(0, 34))}</text>`,
  );
  const dots = points.map((result) =>
    point(across(result.validationAccuracy!), String(up(arms.indexOf(result.parameters.arm as string))), result),
  );
  const heading = `<text x="12" y="${rows.top - 6}">validation accuracy</text>`;
  return picture(rows.width, bottom + 12, `<g ${font}>\n${[...lines, heading, ...names, ...dots].join('\n')}\n</g>\n`);
}

/** What a panel shows from left to right. */
interface Subject {
  title: string;
  points: readonly TrialResult[];
  valueIn: (result: TrialResult) => unknown;
}

function panelOf(
  { title, points, valueIn }: Subject,
  { low, high }: AccuracyScale,
  { x, y }: { x: number; y: number },
): string {
  const plot = {
    left: panel.left,
    top: panel.top,
    width: panel.width - panel.left - panel.right,
    height: panel.height - panel.top - panel.bottom,
  };
  const axis = axisOf(points.map(valueIn));
  const across = (share: number): string => (plot.left + share * plot.width).toFixed(1);
  const up = (accuracy: number): string => (plot.top + plot.height * (1 - (accuracy - low) / (high - low))).toFixed(1);
  const base = plot.top + plot.height;
  const parts = [
    `<rect x="${plot.left}" y="${plot.top}" width="${plot.width}" height="${plot.height}" fill="none" stroke="#888"/>`,
    `<text x="${plot.left + plot.width / 2}" y="${panel.height - 10}" text-anchor="middle">${escaped(title)}</text>`,
    `<text x="${plot.left}" y="${plot.top - 10}">validation accuracy</text>`,
    ...axis.ticks.map(
      ({ at, text }) => `<text x="${across(at)}" y="${base + 15}" text-anchor="middle">${escaped(text)}</text>`,
    ),
    ...[low, (low + high) / 2, high].map(
      (accuracy) =>
        `<text x="${plot.left - 5}" y="${up(accuracy)}" dy="4" text-anchor="end">${percent(accuracy)}</text>`,
    ),
    ...points.map((result) => point(across(axis.at(valueIn(result))), up(result.validationAccuracy!), result)),
  ];
  return `<g transform="translate(${x} ${y})" ${font}>\n${parts.join('\n')}\n</g>\n`;
}

/**
 * Numbers lie where they are, on a logarithmic axis if they span more than a factor of twenty; everything else side by
 * side.
 */
function axisOf(values: readonly unknown[]): Axis {
  const different = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
  const numbers = different.filter((value): value is number => typeof value === 'number');
  if (numbers.length < different.length || numbers.length < 2) return sideBySide(different);
  const [min, max] = [Math.min(...numbers), Math.max(...numbers)];
  const logarithmic = min > 0 && max / min > 20;
  const place = (value: number): number => (logarithmic ? Math.log(value) : value);
  // Points stay off the frame.
  const at = (value: unknown): number =>
    0.05 + (0.9 * (place(value as number) - place(min))) / (place(max) - place(min));
  const middle = logarithmic ? Math.sqrt(min * max) : (min + max) / 2;
  return {
    at,
    ticks: [min, middle, max].map((value) => ({ at: at(value), text: String(Number(value.toPrecision(2))) })),
  };
}

function sideBySide(values: readonly unknown[]): Axis {
  const texts = values.map((value) => (value === undefined ? '' : valueText(value)));
  const place = (i: number): number => (i + 0.5) / Math.max(1, texts.length);
  return {
    at: (value) => place(texts.indexOf(value === undefined ? '' : valueText(value))),
    ticks: texts.map((text, i) => ({ at: place(i), text: text.slice(0, 12) })),
  };
}
