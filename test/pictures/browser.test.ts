// The report in a real browser: it loads without errors and requests, its numbers are those of metrics.jsonl, it
// follows the theme, and what a pointer can reach the keyboard reaches too.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { browserReason, launchBrowser } from '../helpers/browser';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';

const folder = temporaryFolder();
const run = join(folder, 'run');
const url = `file://${join(run, 'report.html')}`;
const inBrowser = browserReason === '' ? describe : describe.skip;
if (browserReason !== '') process.stderr.write(`skipped: pages in a browser (${browserReason})\n`);

inBrowser('the report', () => {
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    const config = join(folder, 'tiny.json');
    writeFileSync(config, JSON.stringify(tinyConfig));
    await cli(['train', config, '--out', run]);
    browser = await launchBrowser();
    page = await browser.newPage();
    page.on('console', (message) => problems.push(message.text()));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
  });
  afterAll(() => browser?.close());

  /** The numbers of a table, row by row; text where a cell has none. */
  const table = (selector: string): Promise<(number | string)[][]> =>
    page.evaluate(
      `[...document.querySelectorAll('${selector} tbody tr')].map((row) => [...row.cells].map((cell) => {
        const data = cell.querySelector('data');
        return data === null ? cell.textContent : Number(data.value);
      }))`,
    );
  const metrics = (): Record<string, any>[] =>
    readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const results = (): Record<string, any> => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).results;

  test('loads without an error, and asks for nothing but itself and what it holds', () => {
    expect(problems).toEqual([]);
    expect(requests.filter((request) => !request.startsWith('data:'))).toEqual([url]);
  });

  test('shows the numbers of metrics.jsonl', async () => {
    const rows = await table('#curves-table-1');
    const epochs = metrics().filter(({ event }) => event === 'epoch');
    expect(rows).toEqual(
      epochs.map((epoch) => [
        `${epoch['phase'] === 'ann' ? 'ANN' : 'SNN'} ${epoch['epoch']}`,
        epoch['trainLoss'],
        epoch['validationLoss'],
        epoch['trainAccuracy'],
        epoch['validationAccuracy'],
        epoch['learningRate'],
        epoch['phase'] === 'ann' ? '–' : epoch['spikesPerNeuron'],
        epoch['imagesPerSecond'],
        epoch['seconds'],
        epoch['best'] ? 'best so far' : '',
      ]),
    );
    const spiking = epochs.filter(({ phase }) => phase === 'snn');
    const layers = await table('#activity-numbers');
    expect(layers.map((row) => row.slice(1))).toEqual(
      spiking[0]!['layers'].map((layer: Record<string, number>, i: number) => [
        layer['neurons'],
        layer['spikesPerNeuron'],
        spiking.at(-1)!['layers'][i].spikesPerNeuron,
      ]),
    );
    const converted = metrics().find(({ event }) => event === 'converted')!;
    const thresholds = await table('#thresholds-numbers');
    const course = (kind: string): number[][] => {
      const names = Object.keys(spiking[0]![kind]);
      return names.map((name) => [spiking[0]!, spiking.at(-1)!].map((epoch) => epoch[kind][name]));
    };
    expect(thresholds.map((row) => row[1])).toEqual(Object.values(converted['thresholds']));
    expect(thresholds.map((row) => row.slice(2, 4))).toEqual(course('thresholds'));
    const leaks = await table('#leaks-numbers');
    expect(leaks.map((row) => row.slice(2, 4))).toEqual(course('leaks'));
    // The network that was tested is the one of the best epoch.
    const best = spiking.filter((epoch) => epoch['best']).at(-1) ?? converted;
    expect(thresholds.map((row) => row[4])).toEqual(Object.values(best['thresholds']));
  });

  test('shows the results of the run, and a matrix that adds up to them', async () => {
    const done = results();
    const tiles = (await page.evaluate(
      `Object.fromEntries([...document.querySelectorAll('.tiles div')].map((tile) => [
        tile.querySelector('dt').textContent, Number(tile.querySelector('data').value)]))`,
    )) as Record<string, number>;
    expect(tiles).toMatchObject({
      'ANN, test': done['ann'].testAccuracy,
      'converted, test': done['converted'].testAccuracy,
      'SNN, test': done['snn'].testAccuracy,
      'spikes per neuron': done['snn'].spikesPerNeuron,
      'energy, ANN / SNN': done['energy'].ratio,
    });
    const matrix = (await table('#confusion-numbers')).map((row) => row.slice(1) as number[]);
    expect(matrix.flat().reduce((sum, value) => sum + value, 0)).toBe(50);
    expect(matrix.reduce((sum, row, i) => sum + row[i]!, 0) / 50).toBeCloseTo(done['snn'].testAccuracy, 12);
    const accounts = await table('#energy-accounts-numbers');
    expect(accounts.map((row) => row.at(-1))).toEqual(Object.values(done['energy'].ratios));
  });

  test('draws each curve through its points', async () => {
    const losses = metrics().filter(({ event }) => event === 'epoch');
    const titles = (await page.evaluate(
      `[...document.querySelectorAll('#loss circle title')].map((title) => title.textContent)`,
    )) as string[];
    expect(titles).toHaveLength(2 * losses.length);
    const heights = (await page.evaluate(
      `[...document.querySelectorAll('#loss circle')].map((dot) => Number(dot.getAttribute('cy')))`,
    )) as number[];
    // Higher values are higher up, in proportion: three points lie on one line of loss against height.
    const values = losses.map((epoch) => epoch['validationLoss'] as number);
    const slope = (heights[1]! - heights[0]!) / (values[1]! - values[0]!);
    values.forEach((value, i) => expect(heights[i]).toBeCloseTo(heights[0]! + slope * (value - values[0]!), 0));
    expect(slope).toBeLessThan(0);
  });

  test('every picture is shown, has a name and a description, and lies within the page', async () => {
    for (const width of [1200, 360]) {
      await page.setViewportSize({ width, height: 800 });
      const pictures = (await page.evaluate(
        `[...document.querySelectorAll('figure svg')].map((svg) => {
          const box = svg.getBoundingClientRect();
          const of = (name) => document.getElementById(svg.getAttribute(name))?.textContent ?? '';
          return [box.width > 100 && box.height > 40, of('aria-labelledby') !== '', of('aria-describedby') !== ''];
        })`,
      )) as boolean[][];
      expect(pictures.length).toBeGreaterThan(10);
      expect(pictures.flat().every(Boolean)).toBe(true);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      const cut = await page.evaluate(
        `[...document.querySelectorAll('figure svg text')].filter((text) => {
          const own = text.getBoundingClientRect();
          const box = text.ownerSVGElement.getBoundingClientRect();
          return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1;
        }).map((text) => text.textContent)`,
      );
      expect(cut).toEqual([]);
    }
  });

  test('has other colours in the dark, with the contrast that people need', async () => {
    const seen: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const [text, quiet, back] = (await page.evaluate(
        `[getComputedStyle(document.body).color, getComputedStyle(document.querySelector('figcaption')).color,
          getComputedStyle(document.querySelector('figure')).backgroundColor]`,
      )) as [string, string, string];
      expect(contrast(text, back)).toBeGreaterThan(7);
      expect(contrast(quiet, back)).toBeGreaterThan(4.5);
      seen.push(back);
    }
    expect(seen[0]).not.toBe(seen[1]);
  });

  test('the keyboard reaches the content, every list of numbers and every table', async () => {
    await page.goto(url);
    const focused = (): Promise<string> =>
      page.evaluate(
        '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim().slice(0, 30)',
      );
    const reached: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      reached.push(await focused());
    }
    expect(reached[0]).toBe('Skip to the content');
    expect(reached).toEqual(
      expect.arrayContaining(['Training', 'Every epoch', 'Numbers of Confusion matrix', 'Configuration']),
    );
    await page.evaluate(`document.querySelector('#confusion summary').focus()`);
    await page.keyboard.press('Enter');
    expect(await page.evaluate(`document.querySelector('#confusion details').open`)).toBe(true);
  });
});

/** The contrast of two colours `rgb(r, g, b)`, as WCAG defines it. */
function contrast(a: string, b: string): number {
  const luminance = (text: string): number => {
    const [red, green, blue] = [...text.matchAll(/\d+/g)].map(([value]) => {
      const share = Number(value) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}
