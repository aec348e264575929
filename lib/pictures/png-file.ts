/** Pictures as PNG, drawn by the optional package sharp. */
import { isMissing, requireSharp } from '../data/pictures/sharp';
import { OneSpikeError } from '../errors';
import type { Theme } from './draw/theme';
import { figureSvg, type Figure } from './figure';

/** Errors: ERR_STATE without the package sharp. */
export function findSharp(): ReturnType<typeof requireSharp> {
  try {
    return requireSharp();
  } catch (cause) {
    const state = isMissing(cause)
      ? 'is not installed: npm install sharp (with npx: npx -p onespike -p sharp onespike ...); SVG needs no package'
      : `does not load: ${(cause as Error).message}`;
    throw new OneSpikeError('ERR_STATE', `Expected the optional package sharp for pictures as PNG but it ${state}`, {
      cause,
    });
  }
}

/** Twice as fine as the drawing. */
export function rendered(sharp: ReturnType<typeof requireSharp>, figure: Figure, theme: Theme): Promise<Buffer> {
  return sharp(Buffer.from(figureSvg(figure, theme)), { density: 144 })
    .png()
    .toBuffer();
}
