// The page: one HTML file that needs no network and no script.
import { escaped } from '../io/markup';
import { testAccuracies, type RunData } from './data/run-data';
import { topAccuracy } from './data/scores';
import { phaseNames } from './data/series';
import { number, percent } from './draw/scale';
import { declarations } from './draw/theme';
import { figureHtml, pageFont, tableHtml, type Section } from './figure';

/** The style sheet of every page. */
export const pageStyle = `
:root { color-scheme: light dark; ${declarations('light')} }
@media (prefers-color-scheme: dark) { :root { ${declarations('dark')} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 ${pageFont()}; }
header, main, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 3rem 0 1rem; font-size: 1.4rem; }
h3 { margin: 0 0 0.5rem; font-size: 1.05rem; }
p { margin: 0.5rem 0; }
.quiet, .note, figcaption { color: var(--quiet); }
.note, figcaption { font-size: 0.9rem; max-width: 60rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: 0.5rem 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; list-style: none; margin: 1.5rem 0 0; padding: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.75rem; margin: 1.5rem 0 0; }
.tiles div, figure, .block { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
.tiles div { padding: 0.75rem 1rem; }
.tiles dt { color: var(--quiet); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure, .block { margin: 0 0 1.25rem; padding: 1rem 1.25rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 0 1.25rem; align-items: start; }
.picture { overflow-x: auto; }
svg { display: block; max-width: 100%; height: auto; min-width: 26rem; font-family: ${pageFont()}; font-size: 12px; }
figcaption { margin-top: 0.5rem; }
details { margin-top: 0.75rem; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
.scroll { overflow: auto; max-height: 28rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.75rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; }
.about th, .about td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
thead th { position: sticky; top: 0; background: var(--paper); color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 500; }
pre { overflow: auto; max-height: 32rem; font-size: 0.85rem; }
footer { padding: 2rem 1.25rem 3rem; color: var(--quiet); font-size: 0.9rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media print { .tiles div, figure, .block { break-inside: avoid; } }
`;

/** A page from its first line to the first of its content; `meta` says more of it. */
export function pageHead(title: string, style: string, meta = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${meta}<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>`;
}

export function pageHtml(data: RunData, sections: readonly Section[]): string {
  const { info } = data.run;
  const heading = `${info.network.name} on ${info.dataset.name}`;
  const links = sections.map(({ name, title }) => `<li><a href="#${name}">${escaped(title)}</a></li>`).join('');
  const state = data.results === undefined ? 'not finished' : 'finished';
  const generator = `<meta name="generator" content="onespike ${escaped(info.version)}">\n`;
  return `${pageHead(`${heading} – onespike report`, pageStyle, generator)}
<header>
<h1>${escaped(heading)}</h1>
<p class="quiet">Run ${escaped(data.run.path.split('/').at(-1) ?? '')}, begun ${escaped(info.created.slice(0, 16).replace('T', ' '))} UTC, ${state}; onespike ${escaped(info.version)}, T = ${info.network.timesteps}, seed ${info.seed}</p>
${tilesHtml(resultTiles(data))}
<nav aria-label="Sections"><ul>${links}</ul></nav>
</header>
<main id="main">
${sections.map((section) => sectionHtml(section)).join('\n')}
</main>
<footer>Written by onespike ${escaped(info.version)}. This page needs no network; its numbers are those of metrics.jsonl, run.json and test.safetensors in the folder of the run.</footer>
</body>
</html>
`;
}

/** A number in large: its name, its text, and its value in full. */
export type Tile = [name: string, text: string, value: number];

/** The results of a run. */
export function resultTiles(data: RunData): Tile[] {
  const { results, test } = data;
  const tiles: Tile[] = [];
  const add = (name: string, value: number | null | undefined, format: (value: number) => string): unknown =>
    value === null || value === undefined ? undefined : tiles.push([name, format(value), value]);
  const accuracy = (value: number): string => percent(value, 2);
  const accuracies = testAccuracies(data);
  add('ANN, test', accuracies.ann, accuracy);
  add('binary ANN, test', accuracies.binary, accuracy);
  add('converted, test', accuracies.converted, accuracy);
  add('SNN, test', accuracies.snn, accuracy);
  if (test !== null && results === undefined)
    add(`${phaseNames[test.mode]} so far, test`, topAccuracy(test.answers, 1), accuracy);
  if (test !== null && test.classes.length > 5) add('top-5, test', topAccuracy(test.answers, 5), accuracy);
  add('spikes per neuron', results?.snn.spikesPerNeuron, (value) => value.toFixed(3));
  add('energy, ANN / SNN', results?.energy.ratio, number);
  add('time', results?.seconds, duration);
  add('CPU time', results?.cpuSeconds, duration);
  return tiles;
}

/** Numbers in a line; nothing without any. */
export function tilesHtml(tiles: readonly Tile[]): string {
  if (tiles.length === 0) return '';
  const list = tiles.map(
    ([name, text, value]) =>
      `<div><dt>${escaped(name)}</dt><dd><data value="${value}">${escaped(text)}</data></dd></div>`,
  );
  return `<dl class="tiles">${list.join('')}</dl>`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A section under a heading of this level; what it holds has headings of the next. */
export function sectionHtml(
  { name, kind = name, title, notes, figures, tables = [], code }: Section,
  level = 2,
): string {
  const below = level + 1;
  const remarks = notes.map((note) => `<p class="note">${escaped(note)}</p>`);
  const pictures = figures.map((figure) => figureHtml(figure, below)).join('\n');
  const blocks = tables.map(
    ({ title: heading, table }, i) =>
      `<div class="block ${kind}"><h${below}>${escaped(heading)}</h${below}>\n${tableHtml(table, `${name}-table-${i + 1}`, heading)}</div>`,
  );
  const listing =
    code === undefined
      ? ''
      : `<div class="block"><h${below}>${escaped(code.title)}</h${below}><pre tabindex="0" aria-label="${escaped(code.title)}">${escaped(code.text)}</pre></div>`;
  const paired = kind === 'curves' ? `<div class="pair">${pictures}</div>` : pictures;
  return `<section aria-labelledby="${name}"><h${level} id="${name}">${escaped(title)}</h${level}>
${[...remarks, paired, ...blocks, listing].filter((part) => part !== '').join('\n')}
</section>`;
}
