// A picture with its words and its numbers, as a part of the page or as a file of its own.
import { escaped } from '../io/markup';
import { element, type Drawing } from './draw/svg';
import { colour, inTheme, type Theme } from './draw/theme';

/** What a cell of a table says; with `value` the number behind it in full. */
export type Cell = string | { text: string; value: number };

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** What is left out, if anything is. */
  note?: string | undefined;
}

export interface Figure {
  /** Letters, digits and hyphens: the anchor in the page and the name of a file. */
  name: string;
  title: string;
  /** What the picture shows and how to read it. */
  caption: string;
  drawing: Drawing;
  /** The numbers of the picture. */
  table?: Table;
}

export interface Section {
  /** The anchor in the page. */
  name: string;
  /** What the style sheet knows it by, where that is not its name. */
  kind?: string;
  title: string;
  /** Remarks before the figures, as what is missing and why. */
  notes: readonly string[];
  figures: readonly Figure[];
  /** Tables without a picture, each with its title; the page shows them in full. */
  tables?: readonly { title: string; table: Table }[];
  /** Text to be shown as it is. */
  code?: { title: string; text: string };
}

/** The section with all its anchors behind `prefix`, so that a page can hold several of a kind. */
export function prefixed(section: Section, prefix: string): Section {
  const figures = section.figures.map((figure) => ({ ...figure, name: prefix + figure.name }));
  return { ...section, name: prefix + section.name, kind: section.kind ?? section.name, figures };
}

const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/**
 * The figure as a part of a page, its title a heading of this level. Without style attributes, which a live page
 * forbids.
 */
export function figureHtml({ name, title, caption, drawing, table }: Figure, level = 3): string {
  const { width, height, body } = drawing;
  const svg = element(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-labelledby': `${name}-title`,
      'aria-describedby': `${name}-caption`,
      width: Math.round(width * 1.25),
    },
    body,
  );
  const numbers = table === undefined ? '' : numbersHtml(name, title, table);
  return `<figure id="${name}">
<h${level} id="${name}-title">${escaped(title)}</h${level}>
<div class="picture">${svg}</div>
<figcaption id="${name}-caption">${escaped(caption)}</figcaption>
${numbers}</figure>`;
}

function numbersHtml(name: string, title: string, table: Table): string {
  return `<details><summary>Numbers<span class="hidden"> of ${escaped(title)}</span></summary>
${tableHtml(table, `${name}-numbers`, title)}
</details>
`;
}

/** A table that scrolls within itself where it is wider than the page, with the keyboard too. */
export function tableHtml({ columns, rows, note }: Table, name: string, title: string): string {
  const head = columns.map((column) => `<th scope="col">${escaped(column)}</th>`).join('');
  const lines = rows.map((row) => `<tr>${row.map(cellHtml).join('')}</tr>`).join('\n');
  const remark = note === undefined ? '' : `<p class="note">${escaped(note)}</p>\n`;
  return `${remark}<div class="scroll" role="region" aria-label="${escaped(title)}" tabindex="0"><table id="${name}">
<thead><tr>${head}</tr></thead>
<tbody>
${lines}
</tbody></table></div>`;
}

function cellHtml(cell: Cell, column: number): string {
  const content =
    typeof cell === 'string' ? escaped(cell) : `<data value="${String(cell.value)}">${escaped(cell.text)}</data>`;
  return column === 0 ? `<th scope="row">${content}</th>` : `<td>${content}</td>`;
}

const MARGIN = 16;

/** The figure as an SVG file in one theme, with its title above. */
export function figureSvg({ title, caption, drawing }: Figure, theme: Theme): string {
  const width = Math.ceil(drawing.width + 2 * MARGIN);
  const height = Math.ceil(drawing.height + 2 * MARGIN + 24);
  const heading =
    `<text x="${MARGIN}" y="${MARGIN + 10}" font-size="15" font-weight="600" ` +
    `fill="${colour('ink')}">${escaped(title)}</text>`;
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
      'font-family': font,
      'font-size': 12,
    },
    `<title>${escaped(title)}</title><desc>${escaped(caption)}</desc>` +
      `<rect width="100%" height="100%" fill="${colour('paper')}"/>${heading}` +
      `<g transform="translate(${MARGIN} ${MARGIN + 24})">${drawing.body}</g>`,
  );
  return `${inTheme(svg, theme)}\n`;
}

export function pageFont(): string {
  return font;
}
