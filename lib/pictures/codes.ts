// The picture of a comparison of codes: accuracy, steps, spikes and energy side by side, and the accuracy over time.
import { join } from 'node:path';
import { isOneSpikeError } from '../errors';
import { compact } from '../io/text/numbers';
import { drawDots, type DotCell } from './draw/dots';
import { joules, number, percent } from './draw/scale';
import { drawStepCurves } from './draw/step-curves';
import { element, text, type Drawing } from './draw/svg';
import { codeColour, colour, type Theme } from './draw/theme';
import type { Figure } from './figure';
import { findSharp } from './png-file';
import { writePicture } from './show';

/** A code as it is drawn. */
export interface PicturedCode {
  code: string;
  accuracy: number;
  timesteps: number;
  stepsWithinOnePoint: number;
  spikesPerImage: number;
  /** The energy per image in the account that is drawn. */
  picojoules: number;
  /** The accuracy after every recorded step, in order. */
  steps: readonly { step: number; accuracy: number }[];
}

export interface CodesPicture {
  title: string;
  /** The name of the account of the energies. */
  account: string;
  /** The code that stands out. */
  own: string;
}

const WIDTH = 1060;
const NAMES = 204;

export function codesFigure(codes: readonly PicturedCode[], { title, account, own }: CodesPicture): Figure {
  const colours = codes.map(({ code }, i) => (code === 'ann' ? colour('third') : codeColour(i)));
  const strong = (code: string): boolean => code === own;
  const table = drawDots(
    [
      { title: 'Accuracy', unit: 'on the same test images', axis: 'linear', mark: (value) => percent(value, 0) },
      { title: 'Time steps', unit: 'dot: within 1 point; line: all', axis: 'log', mark: round },
      { title: 'Spikes per image', unit: 'those of pixels included', axis: 'log', mark: round },
      { title: 'Energy per image', unit: account, axis: 'log', mark: joules },
    ],
    codes.map((each, i) => ({
      name: each.code,
      colour: colours[i]!,
      strong: strong(each.code),
      cells: cellsOf(each),
    })),
    { width: WIDTH, names: NAMES },
  );
  const curves = drawStepCurves(
    codes.map(({ code, steps }, i) => ({
      name: code,
      colour: colours[i]!,
      strong: strong(code),
      level: code === 'ann',
      dashed: code === 'ann',
      points: steps,
    })),
    WIDTH,
  );
  return {
    name: 'compare',
    title,
    caption:
      'Every code on the same test images. Time steps: those after which the accuracy stays within one point of that of the row. ' +
      'Below, the accuracy that a code would have if it were stopped after a step.',
    drawing: below(table, 'Accuracy after each time step', curves),
    table: {
      columns: ['code', 'accuracy', 'time steps', 'within 1 point', 'spikes per image', `energy (${account})`],
      rows: codes.map((each) => [
        each.code,
        { text: percent(each.accuracy, 2), value: each.accuracy },
        String(each.timesteps),
        String(each.stepsWithinOnePoint),
        { text: number(each.spikesPerImage), value: each.spikesPerImage },
        { text: joules(each.picojoules), value: each.picojoules },
      ]),
    },
  };
}

function cellsOf({
  code,
  accuracy,
  timesteps,
  stepsWithinOnePoint,
  spikesPerImage,
  picojoules,
}: PicturedCode): DotCell[] {
  const steps = code === 'ann' ? 'no steps' : number(stepsWithinOnePoint);
  return [
    { value: accuracy, label: percent(accuracy, 1) },
    code === 'ann' ? { value: null, label: steps } : { value: stepsWithinOnePoint, label: steps, to: timesteps },
    { value: spikesPerImage, label: spikesPerImage > 0 ? compact(spikesPerImage) : 'none' },
    { value: picojoules, label: joules(picojoules) },
  ];
}

/** `1 k` for 1000: powers of ten, as they stand at an axis. */
function round(value: number): string {
  return compact(value).replace(/\.0+(?= |$)/, '');
}

const BETWEEN = 34;

/** One drawing below another, with a heading. */
function below(above: Drawing, heading: string, drawing: Drawing): Drawing {
  const y = above.height + BETWEEN;
  const body =
    above.body +
    text(0, y - 8, heading, { fill: colour('ink'), 'font-weight': 600 }) +
    element('g', { transform: `translate(0 ${y})` }, drawing.body);
  return { width: Math.max(above.width, drawing.width), height: y + drawing.height, body };
}

/** Writes `compare.svg`, and `compare.png` where the package sharp is installed. Returns the files. Errors: ERR_IO. */
export async function writeCodesPicture(folder: string, figure: Figure, theme: Theme): Promise<string[]> {
  const files = [join(folder, 'compare.svg'), ...(hasSharp() ? [join(folder, 'compare.png')] : [])];
  for (const file of files) await writePicture(file, figure, theme);
  return files;
}

function hasSharp(): boolean {
  try {
    findSharp();
    return true;
  } catch (error) {
    if (isOneSpikeError(error)) return false;
    throw error;
  }
}
