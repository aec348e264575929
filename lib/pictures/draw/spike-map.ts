// One image on its way through the network: its pixels, then the spike times of layer after layer.
import { mapPicture } from './map-picture';
import { dataUri, imagePng, palettePng } from './png';
import { percent } from './scale';
import { element, fitted, text, title, type Drawing } from './svg';
import { colour, gapColour, hex, silentColour, stepColour } from './theme';

/** A layer that the image passes. */
export interface Stage {
  name: string;
  caption: string;
  shape: readonly number[];
  times: Uint8Array;
  /** What each neuron stands for, if that is known. */
  names?: readonly string[] | undefined;
}

export interface Journey {
  pixels: Uint8Array;
  /** Shape of the image. */
  input: readonly [number, number, number];
  /** What is written under the image. */
  label: string;
  timesteps: number;
  stages: readonly Stage[];
  /** The likeliest classes, best first. */
  answers: readonly { name: string; probability: number; right: boolean }[];
}

const PANEL = 112;
const GAP = 26;
const MOST_PER_ROW = 8;
const MOST_NAMES = 12;
const HEAD = 18;
const FOOT = 24;

export function drawJourney(journey: Journey): Drawing {
  const { input, pixels, label, stages, timesteps } = journey;
  const [channels, , width] = input;
  const image = dataUri(imagePng(pixels, channels, width));
  const panels: ((x: number, y: number) => string)[] = [
    (x, y) => framed('image', label, x, y, picture(image, x, y + HEAD, PANEL, PANEL)),
    ...stages.map(
      (stage) => (x: number, y: number) =>
        framed(stage.name, stage.caption, x, y, layer(stage, timesteps, x, y + HEAD)),
    ),
    (x, y) => framed('answer', '', x, y, answerBars(journey.answers, x, y + HEAD)),
  ];
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / MOST_PER_ROW));
  const body = panels.map((draw, i) => {
    const x = (i % columns) * (PANEL + GAP);
    const y = Math.floor(i / columns) * (HEAD + PANEL + FOOT + 8);
    const arrow = i === 0 || x === 0 ? '' : arrowTo(x, y + HEAD + PANEL / 2);
    return arrow + draw(x, y);
  });
  const rows = Math.ceil(panels.length / columns);
  const legendTop = rows * (HEAD + PANEL + FOOT + 8);
  return {
    width: columns * (PANEL + GAP) - GAP,
    height: legendTop + (stages.length > 0 ? 22 : 0),
    body: [
      ...body,
      ...(stages.length > 0 ? [element('g', { transform: `translate(0 ${legendTop + 4})` }, legend(timesteps))] : []),
    ].join('\n'),
  };
}

function layer({ shape, times, names = [] }: Stage, timesteps: number, x: number, y: number): string {
  if (names.length > 0 && names.length <= MOST_NAMES) return namedNeurons(times, names, timesteps, x, y);
  const map = mapPicture(times, shape, timesteps);
  const scale = PANEL / Math.max(map.width, map.height);
  return picture(dataUri(palettePng(map.indices, map.width, map.palette)), x, y, map.width * scale, map.height * scale);
}

/** One line per neuron: the colour of its spike, and its name. */
function namedNeurons(times: Uint8Array, names: readonly string[], timesteps: number, x: number, y: number): string {
  const line = Math.min(18, PANEL / names.length);
  const size = Math.min(12, line - 1);
  return names
    .map((name, i) => {
      const time = times[i]!;
      const fill = hex(time === 0 ? silentColour : stepColour(time, timesteps));
      const top = y + i * line;
      return (
        element(
          'rect',
          { x, y: top, width: line - 1, height: line - 1, fill, stroke: colour('quiet'), 'stroke-width': 0.5 },
          title(`${name}: ${time === 0 ? 'never fires' : `fires at step ${time}`}`),
        ) +
        text(x + line + 4, top + size - 1, fitted(name, PANEL - line, size), { fill: colour('ink'), 'font-size': size })
      );
    })
    .join('');
}

function framed(name: string, caption: string, x: number, y: number, content: string): string {
  return (
    text(x, y + 12, fitted(name, PANEL + 14), { fill: colour('ink'), 'font-weight': 600 }) +
    content +
    text(x, y + HEAD + PANEL + 16, fitted(caption, PANEL + 20), { fill: colour('quiet') })
  );
}

function picture(href: string, x: number, y: number, width: number, height: number): string {
  const place = { x, y, width, height };
  return (
    element('image', { href, ...place, preserveAspectRatio: 'none', 'image-rendering': 'pixelated' }) +
    element('rect', { ...place, fill: 'none', stroke: hex(gapColour), 'stroke-width': 1 })
  );
}

function arrowTo(x: number, y: number): string {
  const d = `M${x - GAP + 6} ${y}h${GAP - 12}m-5 -4l5 4l-5 4`;
  return element('path', { d, fill: 'none', stroke: colour('quiet') });
}

function answerBars(answers: Journey['answers'], x: number, y: number): string {
  return answers
    .map(({ name, probability, right }, i) => {
      const top = y + 4 + i * 36;
      const share = percent(probability);
      return (
        text(x, top + 10, fitted(name, PANEL - 46), { fill: colour('ink') }) +
        text(x + PANEL, top + 10, share, { fill: colour('ink'), 'text-anchor': 'end' }) +
        element('rect', { x, y: top + 15, width: PANEL, height: 8, fill: colour('line') }) +
        element(
          'rect',
          { x, y: top + 15, width: Math.max(1, PANEL * probability), height: 8, fill: colour(right ? 'good' : 'bad') },
          title(`${name}: ${share}`),
        )
      );
    })
    .join('');
}

/** The colours of the steps; of many steps a few. */
function legend(timesteps: number): string {
  const shown = timesteps <= 8 ? Array.from({ length: timesteps }, (_, t) => t + 1) : spread(timesteps, 8);
  const entries = [
    ...shown.map((step) => ({ name: String(step), fill: hex(stepColour(step, timesteps)) })),
    { name: 'never', fill: hex(silentColour) },
  ];
  const swatches = entries.map(({ name, fill }, i) => {
    const x = 116 + i * 40;
    return (
      element('rect', { x, y: 0, width: 12, height: 12, fill, stroke: colour('quiet'), 'stroke-width': 0.5 }) +
      text(x + 17, 11, name, { fill: colour('ink') })
    );
  });
  return text(0, 11, 'step of the spike', { fill: colour('quiet') }) + swatches.join('');
}

function spread(timesteps: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + Math.round((i * (timesteps - 1)) / (count - 1)));
}
