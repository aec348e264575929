// The live page in a real browser: it loads without errors, shows the numbers of metrics.jsonl, follows runs that go
// on, end, are killed and resumed, and leaves open what a person has opened.
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { Board } from '../../lib/pictures/live/board';
import { WatchServer } from '../../lib/pictures/live/server';
import { browserReason, launchBrowser } from '../helpers/browser';
import { cli, cliProcess, temporaryFolder, tinyConfig } from '../helpers/command-line';
import { lockRun } from '../helpers/runs';
import { until as untilHolds } from '../helpers/until';
import { writeRun } from './support/run-folder';
import { epochs, metricsText } from './support/runs';

const folder = temporaryFolder();
const inBrowser = browserReason === '' ? describe : describe.skip;
if (browserReason !== '') process.stderr.write(`skipped: the live page in a browser (${browserReason})\n`);

inBrowser('the live page', () => {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')] as const;
  let browser: Browser;
  let server: WatchServer;
  let page: Page;
  const problems: string[] = [];

  const opened = async (url: string): Promise<Page> => {
    const fresh = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    fresh.on('console', (message) => problems.push(message.text()));
    fresh.on('pageerror', (error) => problems.push(error.message));
    await fresh.goto(url);
    return fresh;
  };
  beforeAll(async () => {
    writeRun(one, epochs('ann', 2));
    writeRun(two, epochs('ann', 3), { seed: 2 });
    lockRun(one, { pid: process.ppid, started: '' });
    browser = await launchBrowser();
    server = await WatchServer.start(new Board([one, two]));
    page = await opened(server.url);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** The numbers of a table, row by row; text where a cell has none. */
  const table = (selector: string, on = page): Promise<(number | string)[][]> =>
    on.evaluate(
      `[...document.querySelectorAll('${selector} tbody tr')].map((row) => [...row.cells].map((cell) => {
        const data = cell.querySelector('data');
        return data === null ? cell.textContent : Number(data.value);
      }))`,
    );
  // The policy of the page forbids the way in which playwright waits for a function.
  const until = async (condition: string, on = page): Promise<void> => {
    if (!(await untilHolds(async () => Boolean(await on.evaluate(condition)), performance.now() + 20_000)))
      throw new Error(`Expected ${condition} within 20 s`);
  };
  const state = (id: string): string => `document.querySelector('#${id} .state').textContent`;

  test('is live, without an error, and shows the numbers of both runs', async () => {
    await until(`document.getElementById('connection').dataset.state === 'live'`);
    expect(problems).toEqual([]);
    expect((await table('#curves-table-1')).map((row) => row[1])).toEqual(
      epochs('ann', 2).map((each) => each.trainLoss),
    );
    expect((await table('#run-2-curves-table-1')).map((row) => row[4])).toEqual(
      epochs('ann', 3).map((each) => each.validationAccuracy),
    );
    const compared = await table('#compare-table-1');
    expect(compared.map((row) => row.slice(0, 2))).toEqual([
      ['one', 2],
      ['two', 3],
    ]);
    expect(await page.evaluate(`[${state('run-1')}, ${state('run-2')}]`)).toEqual(['running', 'interrupted']);
    expect(await page.evaluate(`new Set([...document.querySelectorAll('[id]')].map(({ id }) => id)).size`)).toBe(
      await page.evaluate(`document.querySelectorAll('[id]').length`),
    );
  });

  test('puts the runs side by side, within the page', async () => {
    const boxes = (await page.evaluate(
      `[...document.querySelectorAll('article')].map((each) => each.getBoundingClientRect().toJSON())`,
    )) as Record<'top' | 'left' | 'right', number>[];
    expect(boxes[0]!.top).toBe(boxes[1]!.top);
    expect(boxes[1]!.left).toBeGreaterThanOrEqual(boxes[0]!.right);
    for (const width of [1400, 400]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    }
    await page.setViewportSize({ width: 1400, height: 900 });
  });

  test('shows epochs as they come; what is open stays open, and the focus where it is', async () => {
    await page.evaluate(`(() => {
      const details = document.querySelector('#run-1 details.about');
      details.open = true;
      const table = document.querySelector('[aria-label="Every epoch"]');
      table.focus();
      window.before = [details, table];
    })()`);
    const snn = epochs('snn', 3);
    for (const epoch of snn) {
      appendFileSync(join(one, 'metrics.jsonl'), metricsText([epoch]));
      await until(`document.querySelectorAll('#curves-table-1 tbody tr').length === ${2 + epoch.epoch}`);
    }
    expect((await table('#curves-table-1')).map((row) => row[1])).toEqual(
      [...epochs('ann', 2), ...snn].map((each) => each.trainLoss),
    );
    expect((await table('#activity-numbers'))[0]!.slice(1)).toEqual([
      1536,
      snn[0]!.layers[0]!.spikesPerNeuron,
      snn[2]!.layers[0]!.spikesPerNeuron,
    ]);
    const kept = `(() => {
      const [details, table] = window.before;
      return [details.open, details.isConnected, document.activeElement === table];
    })()`;
    expect(await page.evaluate(kept)).toEqual([true, true, true]);
    expect(problems).toEqual([]);
  });

  test('a run that is killed, goes on from a checkpoint and ends', async () => {
    lockRun(one, { pid: 2 ** 22 });
    await until(`${state('run-1')} === 'killed'`);
    const metrics = join(one, 'metrics.jsonl');
    const lines = readFileSync(metrics, 'utf8').split('\n');
    truncateSync(metrics, `${lines.slice(0, 3).join('\n')}\n`.length);
    lockRun(one, { pid: process.ppid, started: '' });
    appendFileSync(metrics, metricsText([{ ...epochs('snn', 2)[1]!, trainLoss: 5 }]));
    await until(`document.querySelectorAll('#curves-table-1 tbody tr').length === 4`);
    expect((await table('#curves-table-1'))[3]![1]).toBe(5);
    expect(await page.evaluate(state('run-1'))).toBe('running');
    expect(problems).toEqual([]);
  });

  test('has other colours in the dark, and says when its server ends', async () => {
    const seen: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      seen.push(await page.evaluate(`getComputedStyle(document.querySelector('figure')).backgroundColor`));
    }
    expect(seen[0]).not.toBe(seen[1]);
    await server.close();
    await until(`document.getElementById('connection').dataset.state === 'ended'`);
    expect((await table('#curves-table-1')).length).toBe(4);
  });

  test('train --watch: the URL first, the page to the end, the same numbers as metrics.jsonl', async () => {
    const config = join(folder, 'tiny.json');
    const run = join(folder, 'trained');
    // The training outlasts the opening of the page: 40 epochs take seconds, 6 ended before it.
    writeFileSync(config, JSON.stringify({ ...tinyConfig, snn: { ...tinyConfig.snn, epochs: 40 } }));
    let trained: Page | undefined;
    let opening: Promise<void> | undefined;
    const { status, stdout, events } = await cliProcess(['train', config, '--out', run, '--watch', '--json'], {
      during: (text) => {
        if (opening !== undefined || !text.includes('\n')) return;
        const first = JSON.parse(text.split('\n')[0]!);
        opening = opened(first.url).then((fresh) => {
          trained = fresh;
        });
      },
    });
    await opening;
    expect(status).toBe(0);
    expect(events()[0]).toEqual({ event: 'watch', url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/\?token=/) });
    expect(events().at(-1)!['event']).toBe('done');
    expect(stdout).not.toContain('WATCH_FAILED');
    await until(`document.getElementById('connection').dataset.state === 'ended'`, trained);
    const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'epoch');
    expect((await table('#curves-table-1', trained)).map((row) => row[2])).toEqual(
      metrics.map(({ validationLoss }) => validationLoss),
    );
    expect(await trained!.evaluate(state('run-1'))).toBe('finished');
    expect(await trained!.evaluate(`document.querySelectorAll('figure').length`)).toBeGreaterThan(15);
  });
});

test('train --watch on a port that is in use trains without a page', async () => {
  const server = await WatchServer.start(new Board([]));
  const config = join(folder, 'short.json');
  writeFileSync(config, JSON.stringify({ ...tinyConfig, ann: { epochs: 1 }, snn: { epochs: 0 } }));
  const args = ['train', config, '--out', join(folder, 'no-page'), '--watch', '--port', new URL(server.url).port];
  const { status, events } = await cli([...args, '--json']);
  await server.close();
  expect(status).toBe(0);
  expect(events()[0]).toMatchObject({ event: 'warning', code: 'WATCH_FAILED' });
  expect(events().at(-1)!['event']).toBe('done');
});

test('watch: the URL is the first line, and Ctrl-C ends it', async () => {
  const run = join(folder, 'watched');
  writeRun(run, epochs('ann', 1));
  let sent = false;
  const { status, stdout } = await cliProcess(['watch', run], {
    during: (text, child) => {
      if (sent || !text.includes('\n')) return;
      sent = true;
      child.kill('SIGINT');
    },
  });
  expect(status).toBe(130);
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{32}\n/);
  const none = await cli(['watch', join(folder, 'nowhere')]);
  expect([none.status, none.stderr]).toEqual([1, expect.stringContaining('ERR_IO')]);
});
