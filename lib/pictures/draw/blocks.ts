// Maps of spike times in a terminal: two neurons per character in colours, or a digit per neuron.
import type { MapPicture } from './map-picture';

/** Lines of upper half blocks: the foreground is the neuron above, the background the one below. */
export function halfBlocks({ indices, width, height, palette }: MapPicture): string[] {
  const code = (x: number, y: number, ground: 38 | 48): string => {
    const colour = y < height ? palette[indices[y * width + x]!]! : null;
    return colour === null ? `\x1b[${ground + 1}m` : `\x1b[${ground};2;${colour.join(';')}m`;
  };
  return Array.from({ length: Math.ceil(height / 2) }, (_, line) => {
    let text = '';
    let last = '';
    for (let x = 0; x < width; x++) {
      const codes = code(x, 2 * line, 38) + code(x, 2 * line + 1, 48);
      const empty = codes === '\x1b[39m\x1b[49m';
      text += (codes === last ? '' : codes) + (empty ? ' ' : '▀');
      last = codes;
    }
    return `${text}\x1b[0m`;
  });
}

/** Lines of one character per neuron: the step of its spike (1 to 9, then a to z, then +), or a dot. */
export function digits({ indices, width, height, palette }: MapPicture): string[] {
  const steps = palette.length - 3;
  const sign = (index: number): string => {
    if (index === 0) return '.';
    if (index > steps) return ' ';
    return index < 36 ? index.toString(36) : '+';
  };
  return Array.from({ length: height }, (_, y) =>
    Array.from(indices.subarray(y * width, (y + 1) * width), sign)
      .join('')
      .trimEnd(),
  );
}
