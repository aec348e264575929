// The embedded data set: RGB pictures (32x32 unless asked otherwise) of ten figures, drawn from a seed. No file, no
// download.
//
// Position, size, rotation and colours are random, figure and background trade brightness, and clutter lies behind the
// figure: no pixel by itself tells the class, so a linear model stays near chance while a small convolutional one
// learns it.
//
// The bytes are the same on every platform: integers and the correctly rounded operations + - * / only. Math.sin and
// its kin may differ in the last bit between engines, so a rotation comes from its rational parametrisation.
import { checkInteger } from '../../check';
import { SeededRandom } from '../random';
import { MOST_BYTES, type ImageSet } from '../types';
import { nothingToDownload, smallNetwork, type DataSource } from './source';

export const shapeClasses = [
  'disc',
  'ring',
  'square',
  'frame',
  'triangle',
  'plus',
  'star',
  'bars',
  'checkerboard',
  'crescent',
];

// Read once: in a vm context (as Jest runs its tests) every access to a global is slow, and these are in the innermost
// loops.
const { abs, floor } = Math;

/** The side that all lengths below are given for; other sizes scale them. */
const DESIGN_SIDE = 32;

/** An unfinished picture: 3 planes of values 0..255, not yet rounded. */
interface Canvas {
  side: number;
  values: Float64Array;
}

/** Inside test of a figure in its own coordinates: centre (0, 0), everything within radius 1. */
type Figure = (u: number, v: number) => boolean;

const figures: Figure[] = [
  // disc
  (u, v) => u * u + v * v < 0.74,
  // ring
  (u, v) => {
    const r = u * u + v * v;
    return r < 0.85 && r > 0.32;
  },
  // square
  (u, v) => abs(u) < 0.7 && abs(v) < 0.7,
  // frame
  (u, v) => {
    const d = abs(u) > abs(v) ? abs(u) : abs(v);
    return d < 0.74 && d > 0.42;
  },
  // triangle: equilateral, corners on the unit circle
  (u, v) => v > -0.5 && 1.7320508 * abs(u) + v < 1,
  // plus
  (u, v) => (abs(u) < 0.25 && abs(v) < 0.95) || (abs(v) < 0.25 && abs(u) < 0.95),
  // star: the pentagram is where at least four of its five half planes hold (their distance from the centre is cos 72
  // degrees)
  (u, v) => {
    let held = 0;
    if (-v < 0.309017) held++;
    if (0.9510565 * u - 0.309017 * v < 0.309017) held++;
    if (-0.9510565 * u - 0.309017 * v < 0.309017) held++;
    if (0.5877853 * u + 0.809017 * v < 0.309017) held++;
    if (-0.5877853 * u + 0.809017 * v < 0.309017) held++;
    return held >= 4;
  },
  // bars: three
  (u, v) => abs(u) < 0.75 && (abs(v) < 0.17 || (abs(v) > 0.45 && abs(v) < 0.79)),
  // checkerboard: four by four cells
  (u, v) => abs(u) < 0.72 && abs(v) < 0.72 && ((floor(u / 0.36) + floor(v / 0.36)) & 1) === 0,
  // crescent
  (u, v) => u * u + v * v < 0.85 && (u - 0.42) * (u - 0.42) + v * v > 0.5,
];

/**
 * Random rotation as [cosine, sine]: a quarter turn times the rational point of parameter t in [-0.414, 0.414] (45
 * degrees each way).
 */
function randomRotation(random: SeededRandom): [number, number] {
  const t = random.between(-0.41421356, 0.41421356);
  let cosine = (1 - t * t) / (1 + t * t);
  let sine = (2 * t) / (1 + t * t);
  for (let turns = random.below(4); turns > 0; turns--) [cosine, sine] = [-sine, cosine];
  return [cosine, sine];
}

/** Red, green, blue. */
type Colour = readonly [number, number, number];

const randomColour = (random: SeededRandom): Colour => [random.below(256), random.below(256), random.below(256)];

const distance = (a: Colour, b: Colour): number => abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2]);

/**
 * A colour at least `apart` (sum over channels) from the others, or the farther of black and white when luck runs out.
 */
function contrastingColour(random: SeededRandom, others: readonly Colour[], apart: number): Colour {
  for (let attempt = 0; attempt < 24; attempt++) {
    const colour = randomColour(random);
    if (others.every((other) => distance(colour, other) >= apart)) return colour;
  }
  const black: Colour = [0, 0, 0];
  const white: Colour = [255, 255, 255];
  const nearest = (colour: Colour): number =>
    others.reduce((least, other) => (distance(colour, other) < least ? distance(colour, other) : least), 765);
  return nearest(white) > nearest(black) ? white : black;
}

/** Fills the canvas with a linear blend of two colours in a random direction. */
function drawGradient({ side, values }: Canvas, random: SeededRandom, from: Colour, to: Colour): void {
  const [dx, dy] = randomRotation(random);
  const reach = (abs(dx) + abs(dy)) * side;
  const middle = (side - 1) / 2;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const share = 0.5 + ((x - middle) * dx + (y - middle) * dy) / reach;
      for (let c = 0; c < 3; c++) values[(c * side + y) * side + x] = from[c]! + (to[c]! - from[c]!) * share;
    }
  }
}

/**
 * Short strokes and specks in a colour not far from the background's: clutter that is never as strong as the figure.
 */
function drawClutter(canvas: Canvas, random: SeededRandom): void {
  for (let pieces = random.below(4); pieces > 0; pieces--) {
    const [cosine, sine] = randomRotation(random);
    const scale = canvas.side / DESIGN_SIDE;
    const length = random.between(1, 5) * scale;
    const width = random.between(0.6, 1.3) * scale;
    const cx = random.between(0, canvas.side);
    const cy = random.between(0, canvas.side);
    const tint = [random.between(-50, 50), random.between(-50, 50), random.between(-50, 50)];
    paint(
      canvas,
      cx,
      cy,
      length + 1,
      (x, y) => {
        const u = x * cosine + y * sine;
        const v = y * cosine - x * sine;
        return abs(u) < length && abs(v) < width;
      },
      (c, before) => before + tint[c]!,
    );
  }
}

/**
 * Colours the pixels around (cx, cy) by the share of their 2x2 sample points that lie inside; `inside` gets offsets
 * from the centre.
 */
function paint(
  { side, values }: Canvas,
  cx: number,
  cy: number,
  radius: number,
  inside: (x: number, y: number) => boolean,
  colour: (channel: number, before: number) => number,
): void {
  const left = Math.max(0, floor(cx - radius));
  const right = Math.min(side - 1, floor(cx + radius));
  const top = Math.max(0, floor(cy - radius));
  const bottom = Math.min(side - 1, floor(cy + radius));
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const u = x - cx;
      const v = y - cy;
      const hits =
        (inside(u + 0.25, v + 0.25) ? 1 : 0) +
        (inside(u + 0.75, v + 0.25) ? 1 : 0) +
        (inside(u + 0.25, v + 0.75) ? 1 : 0) +
        (inside(u + 0.75, v + 0.75) ? 1 : 0);
      if (hits === 0) continue;
      for (let c = 0; c < 3; c++) {
        const at = (c * side + y) * side + x;
        const before = values[at]!;
        values[at] = before + (colour(c, before) - before) * (hits / 4);
      }
    }
  }
}

/** Adds uniform noise of the given amplitude, rounds, clamps and stores the picture at `offset` of `pixels`. */
function develop(
  { values }: Canvas,
  random: SeededRandom,
  amplitude: number,
  pixels: Uint8Array,
  offset: number,
): void {
  for (let i = 0; i < values.length; i += 4) {
    const word = random.next();
    for (let k = 0; k < 4 && i + k < values.length; k++) {
      const noise = (((word >>> (8 * k)) & 255) - 127.5) * amplitude;
      const value = floor(values[i + k]! + noise + 0.5);
      pixels[offset + i + k] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}

function drawPicture(figure: Figure, random: SeededRandom, canvas: Canvas, pixels: Uint8Array, offset: number): void {
  const near = randomColour(random);
  const nearby = (value: number): number => Math.min(255, Math.max(0, value + random.between(-60, 60)));
  const far: Colour = [nearby(near[0]), nearby(near[1]), nearby(near[2])];
  const colour = contrastingColour(random, [near, far], 220);
  const amplitude = random.between(0, 16) / 127.5;
  const radius = (random.between(9, 13) * canvas.side) / DESIGN_SIDE;
  const cx = random.between(radius, canvas.side - radius);
  const cy = random.between(radius, canvas.side - radius);
  const [cosine, sine] = randomRotation(random);

  drawGradient(canvas, random, near, far);
  drawClutter(canvas, random);
  const unit = 1 / radius;
  const cosineUnit = cosine * unit;
  const sineUnit = sine * unit;
  paint(
    canvas,
    cx,
    cy,
    radius,
    (x, y) => figure(x * cosineUnit + y * sineUnit, y * cosineUnit - x * sineUnit),
    (c) => colour[c]!,
  );
  develop(canvas, random, amplitude, pixels, offset);
}

/**
 * `count` pictures of `side` x `side`, balanced: label i is i mod 10. Picture i depends on (seed, part, i) alone, so a
 * larger set begins with the smaller one. Parts (0 train, 1 test) share no picture.
 */
export function generateShapes(count: number, seed: number, part: number, side: number = DESIGN_SIDE): ImageSet {
  const size = 3 * side * side;
  const pixels = new Uint8Array(count * size);
  const labels = new Int32Array(count);
  const canvas: Canvas = { side, values: new Float64Array(size) };
  for (let i = 0; i < count; i++) {
    const label = i % shapeClasses.length;
    labels[i] = label;
    drawPicture(figures[label]!, new SeededRandom(seed, part, i), canvas, pixels, i * size);
  }
  return { shape: [3, side, side], classes: [...shapeClasses], pixels, labels, count };
}

export const shapes: DataSource = {
  info: {
    title: 'Ten figures on coloured ground, generated from a seed',
    homepage: '',
    licence: 'Part of onespike',
    citation: '',
    shape: [3, DESIGN_SIDE, DESIGN_SIDE],
    classes: shapeClasses,
    counts: { train: 6000, test: 1000 },
  },
  kind: 'generated',
  download: nothingToDownload,
  options: ['seed', 'trainCount', 'testCount', 'size'],
  locate: async () => ({ paths: [], present: true }),
  load: async (_directory, { trainCount = 6000, testCount = 1000, seed = 0, size = DESIGN_SIDE }) => {
    checkInteger(size, 'size', { min: 8 });
    const most = Math.floor(MOST_BYTES / (3 * size * size));
    checkInteger(trainCount, `trainCount of ${size}x${size} pictures`, { max: most });
    checkInteger(testCount, `testCount of ${size}x${size} pictures`, { max: most });
    return { train: generateShapes(trainCount, seed, 0, size), test: generateShapes(testCount, seed, 1, size) };
  },
  // Small enough for a first run of about three minutes on two cores.
  recipe: {
    model: smallNetwork,
    ann: { epochs: 12, batch: 32, augment: { padding: 2, flip: true } },
    snn: { epochs: 16, batch: 32, optimizer: { learningRate: 2e-3 }, augment: { padding: 2, flip: true } },
  },
};
