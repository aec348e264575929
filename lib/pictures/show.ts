// One image on its way through a network: for a terminal, and as a file.
import { basename, extname } from 'node:path';
import { expected } from '../check';
import { atomicWrite } from '../io/write';
import type { ResolvedNetwork } from '../model/description';
import type { Trace } from '../train/run/test-record';
import { digits, halfBlocks } from './draw/blocks';
import { mapPicture } from './draw/map-picture';
import { percent } from './draw/scale';
import type { Theme } from './draw/theme';
import { figureSvg, type Figure } from './figure';
import { journeyOf, type Journey, type PassedLayer } from './journey';
import { findSharp, rendered } from './png-file';

/** The picture of an image without a label, named by its file. */
export function imageFigure(
  network: ResolvedNetwork,
  classes: readonly string[],
  trace: Trace,
  image: string,
): { figure: Figure; journey: Journey } {
  const journey = journeyOf(network, classes, trace, null);
  const { answer, steps, drawing } = journey;
  const title = `${basename(image)}: ${classes[answer]} (${percent(trace.probabilities[answer]!)})`;
  return { journey, figure: { name: 'image', title, caption: steps, drawing } };
}

/** Whether a file of this name can be written. Errors: ERR_ARG; ERR_STATE for PNG without the package sharp. */
export function checkPictureFile(path: string): void {
  const kind = extname(path).toLowerCase();
  if (kind !== '.svg' && kind !== '.png') throw expected('a name that ends in .svg or .png', 'the file', path);
  if (kind === '.png') findSharp();
}

/** Writes the picture as SVG or PNG, by the name of the file. Errors: ERR_IO; as `checkPictureFile`. */
export async function writePicture(path: string, figure: Figure, theme: Theme): Promise<void> {
  checkPictureFile(path);
  const png = extname(path).toLowerCase() === '.png';
  await atomicWrite(path, png ? await rendered(findSharp(), figure, theme) : figureSvg(figure, theme));
}

/** The colours of the steps, in a line. */
export function stepLegend(timesteps: number): string {
  const { palette } = mapPicture(new Uint8Array(1), [1], timesteps);
  const swatch = (index: number, name: string): string => `\x1b[38;2;${palette[index]!.join(';')}m■\x1b[39m ${name}`;
  const steps = Array.from({ length: Math.min(timesteps, palette.length - 3) }, (_, i) => i + 1);
  const some = steps.length <= 10 ? steps : [1, Math.ceil(steps.length / 2), steps.length];
  const named = some.map((index) => swatch(index, String(Math.ceil((index * timesteps) / steps.length))));
  return `step of the spike  ${[...named, swatch(0, 'never')].join('  ')}`;
}

/** The map of a layer in lines of at most `columns` characters. */
export function layerLines(
  { shape, times }: PassedLayer,
  timesteps: number,
  { columns, coloured }: { columns: number; coloured: boolean },
): string[] {
  const width = shape.length === 3 ? shape[2]! : 1;
  // Between two channels lies a gap of a sixteenth of their width.
  const channels = Math.max(1, Math.floor((columns + 1) / (width + Math.max(1, Math.round(width / 16)))));
  const layout = { most: Math.min(channels, 8), columns: 8, width: Math.min(columns, 64) };
  const picture = mapPicture(times, shape, timesteps, layout);
  return coloured ? halfBlocks(picture) : digits(picture);
}
