// Maps of spike times as pictures of few colours.
import type { Palette } from './png';
import { gapColour, silentColour, stepColour } from './theme';

/** A picture of spike times: for every pixel a position in the palette. */
export interface MapPicture {
  indices: Uint8Array;
  width: number;
  height: number;
  /** Silent, the steps from early to late, the gap between two channels, and nothing at all. */
  palette: Palette;
}

/** How many channels are shown, and how many of them in a row. */
export interface MapLayout {
  most: number;
  columns: number;
  /** Neurons of a flat layer in a row. */
  width?: number | undefined;
}

/** Nine channels in a square. */
const square: MapLayout = { most: 9, columns: 3 };

/** More steps share a colour. */
const MOST_COLOURS = 64;

/** Several channels (C, H, W), those that tell most, beside each other; a flat layer in rows. */
export function mapPicture(
  times: Uint8Array,
  shape: readonly number[],
  timesteps: number,
  layout = square,
): MapPicture {
  const [channels, height, width] =
    shape.length === 3 ? (shape as [number, number, number]) : flat(times.length, layout.width);
  const chosen = shape.length === 3 ? liveliest(times, channels, layout.most) : [0];
  const columns = Math.min(layout.columns, chosen.length);
  const rows = Math.ceil(chosen.length / columns);
  const gap = Math.max(1, Math.round(width / 16));
  const colours = Math.min(timesteps, MOST_COLOURS);
  const [between, none] = [colours + 1, colours + 2];
  const size = { width: columns * (width + gap) - gap, height: rows * (height + gap) - gap };
  const picture = new Uint8Array(size.width * size.height).fill(chosen.length > 1 ? between : none);
  chosen.forEach((channel, i) => {
    const left = (i % columns) * (width + gap);
    const top = Math.floor(i / columns) * (height + gap);
    for (let at = 0; at < height * width; at++) {
      const place = channel * height * width + at;
      if (place >= times.length) break;
      const time = times[place]!;
      const index = time === 0 ? 0 : 1 + Math.floor(((time - 1) * colours) / timesteps);
      picture[(top + Math.floor(at / width)) * size.width + left + (at % width)] = index;
    }
  });
  const palette: Palette = [
    silentColour,
    ...Array.from({ length: colours }, (_, i) =>
      stepColour(1 + (i * (timesteps - 1)) / Math.max(1, colours - 1), timesteps),
    ),
    gapColour,
    null,
  ];
  return { indices: picture, ...size, palette };
}

/** A list of neurons in rows, about as high as wide where no width is given. */
function flat(neurons: number, width = Math.ceil(Math.sqrt(neurons))): [number, number, number] {
  return [1, Math.ceil(neurons / width), width];
}

/** The channels with the largest entropy over the spike times, in their order. */
function liveliest(times: Uint8Array, channels: number, most: number): number[] {
  const size = times.length / channels;
  const entropies = Array.from({ length: channels }, (_, channel) => {
    const counts = new Float64Array(256);
    for (let i = channel * size; i < (channel + 1) * size; i++) counts[times[i]!]!++;
    return counts.reduce((sum, count) => (count === 0 ? sum : sum - (count / size) * Math.log(count / size)), 0);
  });
  const ranked = Array.from(entropies.keys()).sort((a, b) => entropies[b]! - entropies[a]! || a - b);
  return ranked.slice(0, most).sort((a, b) => a - b);
}
