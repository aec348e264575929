// SVG as text. Colours are names of `theme.ts`, resolved by the page or, for a file of its own, when it is written.
import { escaped } from '../../io/markup';

export type Attributes = Record<string, string | number | undefined>;

/** Coordinates to a hundredth of a pixel. */
function written(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : escaped(value);
}

/** An element; `content` is markup already. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${written(value!)}"`)
    .join('');
  return content === '' ? `<${name}${list}/>` : `<${name}${list}>${content}</${name}>`;
}

/** A line of text at (x, y) of its baseline, with what a pointer over it is told in `title`. */
export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escaped(words));
}

/** What a pointer over the element before is told. */
export function title(words: string): string {
  return `<title>${escaped(words)}</title>`;
}

/** Width of a text at this size, as an estimate that errs on the wide side. */
export function textWidth(words: string, size = 12): number {
  return [...words].length * size * 0.58;
}

/** The text cut to a width. */
export function fitted(words: string, width: number, size = 12): string {
  const most = Math.max(1, Math.floor(width / (size * 0.58)));
  const characters = [...words];
  return characters.length <= most ? words : `${characters.slice(0, most - 1).join('')}…`;
}

export interface Drawing {
  width: number;
  height: number;
  /** Markup within the svg element. */
  body: string;
}
