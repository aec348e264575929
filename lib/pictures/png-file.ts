// Pictures as PNG, drawn by the optional package sharp.
import { isMissing, requireSharp, whyNoSharp } from '../data/pictures/sharp';
import { OneSpikeError } from '../errors';
import type { Theme } from './draw/theme';
import { figureSvg, type Figure } from './figure';

/** Errors: ERR_STATE without the package sharp. */
export function findSharp(): ReturnType<typeof requireSharp> {
  try {
    return requireSharp();
  } catch (cause) {
    const state = `${whyNoSharp(cause)}${isMissing(cause) ? '; SVG needs no package' : ''}`;
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
