// The report as files: at the end of a training, of an unfinished run, without data, of damaged folders, as SVG and
// PNG.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';
import { writeReport } from '../../lib/pictures/report';
import { inTheme } from '../../lib/pictures/draw/theme';
import { epochs, metricsText } from './support/runs';

const folder = temporaryFolder();
const run = join(folder, 'run');
let events: Record<string, any>[];
let text: string;

beforeAll(async () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify(tinyConfig));
  const result = await cli(['train', config, '--out', run, '--json']);
  events = result.events();
  text = (await cli(['train', config, '--out', join(folder, 'second')])).stdout;
});

/** A copy of the run that a test may damage. */
function copy(name: string): string {
  const to = join(folder, name);
  cpSync(run, to, { recursive: true });
  return to;
}

test('a training writes it and says where', () => {
  expect(events.at(-1)).toMatchObject({ event: 'done', run });
  expect(statSync(join(run, 'report.html')).size).toBeGreaterThan(10_000);
  expect(text).toContain(`report    ${join(folder, 'second', 'report.html')}`);
});

test('a training whose report cannot be written ends well, with a warning', async () => {
  const to = copy('blocked');
  rmSync(join(to, 'report.html'));
  cpSync(join(run, 'checkpoints'), join(to, 'report.html'), { recursive: true });
  const { status, events: lines } = await cli(['resume', to, '--json']);
  expect(status).toBe(0);
  expect(lines()).toMatchObject([{ event: 'warning', code: 'REPORT_FAILED' }, { event: 'done' }]);
});

test('holds every section and picture, no script and nothing from elsewhere', () => {
  const page = readFileSync(join(run, 'report.html'), 'utf8');
  const anchors = [...page.matchAll(/<(?:h2|figure) id="([\w-]+)"/g)].map(([, id]) => id);
  expect(anchors).toEqual([
    'curves',
    ...['accuracy', 'loss', 'learning-rate', 'spikes'],
    'layers',
    ...['activity', 'spike-times', 'thresholds', 'leaks'],
    'classes',
    ...['confusion', 'class-accuracy'],
    'energy',
    'energy-accounts',
    'images',
    ...['worst-1', 'worst-2', 'worst-3', 'worst-4', 'best-1', 'best-2', 'best-3', 'best-4'],
    'about',
  ]);
  expect(page).not.toMatch(/<script|https?:|NaN|undefined|Infinity/);
  expect(page).toContain('&quot;trainCount&quot;: 200');
});

test('is made anew from the folder alone, the same to the byte', async () => {
  const file = join(folder, 'again.html');
  const { status, stdout } = await cli(['report', run, '-o', file]);
  expect([status, stdout]).toEqual([0, `report ${file}\n`]);
  expect(readFileSync(file, 'utf8')).toBe(readFileSync(join(run, 'report.html'), 'utf8'));
});

test('of a run without its record evaluates the test images, to the same numbers', async () => {
  const to = copy('bare');
  rmSync(join(to, 'test.safetensors'));
  expect((await cli(['report', to])).status).toBe(0);
  const numbers = (path: string): string[] =>
    [...readFileSync(path, 'utf8').matchAll(/<data value="([^"]*)">/g)].map(([, value]) => value!);
  expect(numbers(join(to, 'report.html'))).toEqual(numbers(join(run, 'report.html')));
});

test('says what is missing where the images are gone, and makes the rest', async () => {
  const to = copy('moved');
  rmSync(join(to, 'test.safetensors'));
  const info = JSON.parse(readFileSync(join(to, 'run.json'), 'utf8'));
  Object.assign(info.config.dataset, { name: 'cifar10', directory: join(folder, 'gone') });
  delete info.config.dataset.trainCount;
  delete info.config.dataset.testCount;
  writeFileSync(join(to, 'run.json'), JSON.stringify(info));
  const { status, stderr, events: lines } = await cli(['report', to, '--json']);
  expect(status).toBe(0);
  expect(lines()).toMatchObject([{ event: 'report', missing: expect.stringContaining(join(folder, 'gone')) }]);
  expect(stderr).toContain('pictures of the test images are missing');
  const page = readFileSync(join(to, 'report.html'), 'utf8');
  expect(page).toContain('Confusions and the accuracy of each class are missing');
  for (const name of ['accuracy', 'activity', 'thresholds']) expect(page).toContain(`<figure id="${name}">`);
});

test('of a run in the middle shows what there is', async () => {
  const to = copy('middle');
  const info = JSON.parse(readFileSync(join(to, 'run.json'), 'utf8'));
  delete info.results;
  writeFileSync(join(to, 'run.json'), JSON.stringify(info));
  writeFileSync(join(to, 'metrics.jsonl'), '');
  const report = await writeReport(to);
  expect(report.missing).toBe('the run has not ended yet');
  const page = readFileSync(report.file, 'utf8');
  expect(page).toContain('No epoch has been completed yet.');
  expect(page).toContain('not finished');
});

test('10,000 epochs make a page of less than a megabyte, and say that points are left out', async () => {
  const to = copy('long');
  writeFileSync(join(to, 'metrics.jsonl'), metricsText([...epochs('ann', 4000), ...epochs('snn', 6000)]));
  const started = performance.now();
  await writeReport(to);
  expect(performance.now() - started).toBeLessThan(10_000);
  const page = readFileSync(join(to, 'report.html'), 'utf8');
  expect(page.length).toBeLessThan(1_000_000);
  expect(page).toContain('10,000 epochs are drawn as the lowest and the highest value of 300 stretches.');
  expect(page).toContain('400 of 10,000 epochs, at equal distances; metrics.jsonl holds all.');
});

describe('pictures as files', () => {
  test('are SVG in either theme, each complete by itself', async () => {
    const light = join(folder, 'light');
    const dark = join(folder, 'dark');
    const { pictures } = await writeReport(run, { file: join(folder, 'x.html'), svg: light });
    await writeReport(run, { file: join(folder, 'x.html'), svg: dark, theme: 'dark' });
    const names = readdirSync(light).sort();
    expect(pictures.map((path) => path.slice(light.length + 1)).sort()).toEqual(names);
    expect(names).toEqual(expect.arrayContaining(['accuracy.svg', 'confusion.svg', 'worst-1.svg']));
    for (const name of names) {
      const [a, b] = [light, dark].map((at) => readFileSync(join(at, name), 'utf8')) as [string, string];
      expect(a).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^]*<\/svg>\n$/);
      expect(a).not.toContain('var(');
      expect(a).toContain(inTheme('var(--paper)', 'light'));
      expect(b).toContain(inTheme('var(--paper)', 'dark'));
    }
  });

  test('are PNG with sharp; without it the error names the package and nothing is written', async () => {
    jest.doMock(
      'sharp',
      () => (svg: Buffer) => ({
        png: () => ({ toBuffer: async () => Buffer.from(`PNG of ${svg.toString()}`) }),
      }),
      { virtual: true },
    );
    jest.resetModules();
    const { writeReport: mocked } = require('../../lib/pictures/report') as typeof import('../../lib/pictures/report');
    const png = join(folder, 'png');
    await mocked(run, { file: join(folder, 'x.html'), png });
    expect(readFileSync(join(png, 'loss.png'), 'utf8')).toMatch(/^PNG of <svg [^]*Loss/);
    jest.dontMock('sharp');

    const file = join(folder, 'none.html');
    const { status, stderr } = await cli(['report', run, '-o', file, '--png', png]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/Expected the optional package sharp .* npm install sharp/);
    expect(existsSync(file)).toBe(false);
  });
});

describe('a folder that is damaged or half-written is refused by its code', () => {
  const damage = async (name: string, change: (path: string) => void): Promise<unknown> => {
    const to = copy(name);
    rmSync(join(to, 'report.html'));
    change(to);
    const error = await writeReport(to).catch((thrown: unknown) => thrown);
    expect(existsSync(join(to, 'report.html'))).toBe(false);
    return error;
  };
  const metric = (path: string, change: (event: Record<string, unknown>) => unknown): void => {
    const file = join(path, 'metrics.jsonl');
    const [first, ...rest] = readFileSync(file, 'utf8').split('\n');
    const event = JSON.parse(first!) as Record<string, unknown>;
    change(event);
    writeFileSync(file, [JSON.stringify(event), ...rest].join('\n'));
  };

  test.each([
    ['no-run', 'ERR_IO', (path: string) => rmSync(join(path, 'run.json'))],
    ['torn-run', 'ERR_FORMAT', (path: string) => truncateSync(join(path, 'run.json'), 300)],
    ['empty-run', 'ERR_FORMAT', (path: string) => truncateSync(join(path, 'run.json'), 0)],
    ['torn-metrics', 'ERR_FORMAT', (path: string) => writeFileSync(join(path, 'metrics.jsonl'), '{"event":"ep\n{}\n')],
    [
      'other-metrics',
      'ERR_FORMAT',
      (path: string) => writeFileSync(join(path, 'metrics.jsonl'), '{"event":"other"}\n'),
    ],
    ['no-number', 'ERR_FORMAT', (path: string) => metric(path, (event) => (event['trainLoss'] = 'low'))],
    ['no-layers', 'ERR_FORMAT', (path: string) => metric(path, (event) => delete event['layers'])],
    ['no-phase', 'ERR_FORMAT', (path: string) => metric(path, (event) => (event['phase'] = 'ANN'))],
    ['torn-record', 'ERR_FORMAT', (path: string) => truncateSync(join(path, 'test.safetensors'), 2000)],
  ])('%s: %s', async (name, code, change) => {
    expect(await damage(name, change)).toMatchObject({ name: 'OneSpikeError', code });
  });

  test('a last line that was cut off is left out', async () => {
    const to = copy('cut');
    const file = join(to, 'metrics.jsonl');
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20));
    await expect(writeReport(to)).resolves.toMatchObject({ missing: null });
  });
});
