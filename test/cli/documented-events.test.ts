// docs/CLI.md lists the fields of every event: exactly those that the commands print.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, temporaryFolder, tinyConfig } from '../helpers/command-line';

const page = readFileSync(join(__dirname, '../../docs/CLI.md'), 'utf8');
const folder = temporaryFolder();
const run = join(folder, 'run');
let training: Record<string, any>[];

/** The rows of the table whose header begins so, as [first cell, second cell]. */
function rows(header: string): [string, string][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.replace(/ +/g, ' ').startsWith(`| ${header} |`));
  const table = lines.slice(start + 2);
  const end = table.findIndex((line) => !line.startsWith('|'));
  return table.slice(0, end).map((line) => {
    const [, first, second] = line.split('|');
    return [first!, second!];
  });
}

/** Names in backticks, but those in parentheses, which are values. */
const names = (cell: string): string[] =>
  [...cell.replace(/\([^)]*\)/g, '').matchAll(/`([a-zA-Z]+)`/g)].map((match) => match[1]!);

const fieldsOf = (events: object[]): string[] =>
  [...new Set(events.flatMap((event) => Object.keys(event)))].filter((name) => name !== 'event').sort();

beforeAll(async () => {
  const config = join(folder, 'tiny.json');
  writeFileSync(config, JSON.stringify(tinyConfig));
  training = (await cli(['train', config, '--out', run, '--json'])).events();
});

test.each(['start', 'epoch', 'converted', 'done'])('the fields of %s', (kind) => {
  const [, fields] = rows('event').find(([event]) => names(event)[0] === kind)!;
  expect(names(fields).sort()).toEqual(fieldsOf(training.filter(({ event }) => event === kind)));
});

test('the fields of preset', async () => {
  const [, fields] = rows('event').find(([event]) => names(event)[0] === 'preset')!;
  expect(names(fields).sort()).toEqual(fieldsOf((await cli(['presets', 'vgg7', '--json'])).events()));
});

test('the fields of the events of a sweep', async () => {
  const study = join(folder, 'study.json');
  const { threads: _threads, ...config } = tinyConfig;
  writeFileSync(study, JSON.stringify({ config, parameters: { 'ann.epochs': [1] } }));
  const planned = (await cli(['sweep', study, '--dry-run', '--json'])).events();
  const { events } = await cli(['sweep', study, '--out', join(folder, 'sweep'), '--json']);
  for (const kind of ['planned', 'sweep', 'begin', 'trial', 'swept']) {
    const [, fields] = rows('event').find(([event]) => names(event)[0] === kind)!;
    // `error` belongs to trials that failed.
    const documented = names(fields).filter((name) => name !== 'error');
    expect(documented.sort()).toEqual(fieldsOf([...planned, ...events()].filter(({ event }) => event === kind)));
  }
});

test('the fields of error', async () => {
  const [, fields] = rows('event').find(([event]) => names(event)[0] === 'error')!;
  const { events } = await cli(['eval', join(folder, 'absent'), '--json']);
  const usage = await cli(['evall', '--json']);
  expect(names(fields).sort()).toEqual(fieldsOf([...events(), ...usage.events()]));
});

test('the fields of bench', async () => {
  // These commands run on the CPU.
  const onCpu = rows('field').filter(([, value]) => !value.trim().startsWith('on a GPU:'));
  const documented = onCpu.flatMap(([field]) => names(field));
  const short = ['--iterations', '1', '--warmup', '0', '--json'];
  const random = await cli(['bench', 'vgg6', 'infer', '--batch', '1', '--layers', '--early-exit', ...short]);
  const trained = await cli(['bench', '--run', run, 'train', '--batch', '4', ...short]);
  expect(documented.sort()).toEqual(fieldsOf([...random.events(), ...trained.events()]));
  const [, layers] = rows('field').find(([field]) => names(field)[0] === 'layers')!;
  expect(names(layers).sort()).toEqual(fieldsOf(random.events()[0]!.layers));
});
