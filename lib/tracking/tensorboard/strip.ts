// One image and its spike times, layer after layer, in a strip of pixels.
import { imagePng } from '../../pictures/draw/png';
import { mapPicture } from '../../pictures/draw/map-picture';
import { gapColour } from '../../pictures/draw/theme';
import type { Trace } from '../../train/run/test-record';

type Rgb = readonly [number, number, number];

interface Panel {
  width: number;
  height: number;
  at: (x: number, y: number) => Rgb;
}

const SIDE = 128;
const GAP = 8;
const white: Rgb = [255, 255, 255];

export function strip(
  { pixels, maps }: Trace,
  [channels, height, width]: readonly [number, number, number],
  timesteps: number,
): { png: Buffer; width: number; height: number } {
  const plane = height * width;
  const image: Panel = {
    width,
    height,
    at: (x, y) => {
      const place = y * width + x;
      const channel = (c: number): number => pixels[(channels === 1 ? 0 : c) * plane + place]!;
      return [channel(0), channel(1), channel(2)];
    },
  };
  const panels = [image, ...maps.map(({ times, shape }) => mapPanel(times, shape, timesteps))];
  const size = { width: panels.length * (SIDE + GAP) - GAP, height: SIDE };
  const area = size.width * size.height;
  const drawn = new Uint8Array(3 * area).fill(255);
  panels.forEach((panel, i) => {
    // Whole panels are shown, as large as the square allows.
    const scale = SIDE / Math.max(panel.width, panel.height);
    for (let y = 0; y < Math.round(panel.height * scale); y++)
      for (let x = 0; x < Math.round(panel.width * scale); x++) {
        const colour = panel.at(
          Math.min(panel.width - 1, Math.floor(x / scale)),
          Math.min(panel.height - 1, Math.floor(y / scale)),
        );
        const place = y * size.width + i * (SIDE + GAP) + x;
        for (let c = 0; c < 3; c++) drawn[c * area + place] = colour[c]!;
      }
  });
  return { png: imagePng(drawn, 3, size.width), ...size };
}

function mapPanel(times: Uint8Array, shape: readonly number[], timesteps: number): Panel {
  const { indices, width, height, palette } = mapPicture(times, shape, timesteps);
  const gapIndex = palette.length - 2;
  return {
    width,
    height,
    at: (x, y) => {
      const index = indices[y * width + x]!;
      return index === gapIndex ? gapColour : (palette[index] ?? white);
    },
  };
}
