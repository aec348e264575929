// Colours by name, in a light and a dark theme, and those of time steps, which are the same in both.

export const THEMES = ['light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** Every pair of a mark and `paper` has a contrast of 3 or more, of `ink` and `quiet` with it 4.5 or more. */
const palettes = {
  paper: { light: '#ffffff', dark: '#16191f' },
  page: { light: '#f4f5f7', dark: '#0e1014' },
  ink: { light: '#1c2026', dark: '#e6e8eb' },
  quiet: { light: '#59616d', dark: '#a0a8b3' },
  line: { light: '#d9dce1', dark: '#333942' },
  link: { light: '#1a5fb4', dark: '#82b1ff' },
  first: { light: '#1f6fd6', dark: '#6fa8ff' },
  second: { light: '#c2570c', dark: '#ffa25c' },
  third: { light: '#6b7280', dark: '#9aa3af' },
  good: { light: '#1f6fd6', dark: '#6fa8ff' },
  bad: { light: '#cc3d1f', dark: '#ff8a65' },
} as const satisfies Record<string, Record<Theme, string>>;

export type ColourName = keyof typeof palettes;

/** A colour for an attribute of SVG; the page says what it is. */
export function colour(name: ColourName): string {
  return `var(--${name})`;
}

/** The colours of a theme as declarations of CSS. */
export function declarations(theme: Theme): string {
  return Object.entries(palettes)
    .map(([name, colours]) => `--${name}: ${colours[theme]};`)
    .join(' ');
}

/** SVG whose colours are those of one theme, for programs that know no variables of CSS. */
export function inTheme(svg: string, theme: Theme): string {
  return svg.replace(/var\(--(\w+)\)/g, (_, name: ColourName) => palettes[name][theme]);
}

type Rgb = readonly [number, number, number];

const rgb = (hex: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;

/** Colour at `share` of the way along anchors at equal distances. */
function between(anchors: readonly Rgb[], share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (anchors.length - 1);
  const low = anchors[Math.floor(at)]!;
  const high = anchors[Math.ceil(at)]!;
  return low.map((value, i) => Math.round(value + (high[i]! - value) * (at - Math.floor(at)))) as unknown as Rgb;
}

/** Early is bright, late is dark. */
const early = ['#fff3b0', '#ffb347', '#f2635f', '#b53b8a', '#6247aa'].map(rgb);
export const silentColour: Rgb = rgb('#141826');
/** Between maps, and around them: seen on both themes and beside silent neurons. */
export const gapColour: Rgb = rgb('#7a828c');

/** The colour of a spike at `step` of `timesteps`. */
export function stepColour(step: number, timesteps: number): Rgb {
  return between(early, timesteps > 1 ? (step - 1) / (timesteps - 1) : 0);
}

/** From the first layer to the last; each has a contrast of about 3 or more with the paper of both themes. */
const deep = ['#0d8f83', '#2f7fe0', '#8f5fe0', '#d0459b', '#d9542b', '#a27508'].map(rgb);

export function layerColour(index: number, count: number): string {
  return hex(between(deep, count > 1 ? index / (count - 1) : 0));
}

/**
 * For codes, which have no order: told apart by hue, each with a contrast of 3 or more with the paper of both themes.
 */
const distinct = [
  '#2f7fe0',
  '#9a6a52',
  '#d9542b',
  '#a27508',
  '#4b8f22',
  '#0d8f83',
  '#8f5fe0',
  '#d0459b',
  '#a8573f',
  '#2a8fb5',
  '#6f7f1f',
  '#c0476b',
] as const;

export function codeColour(index: number): string {
  return distinct[index % distinct.length]!;
}

export function hex(rgbValue: Rgb): string {
  return `#${rgbValue.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}
