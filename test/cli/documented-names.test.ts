// What the documents list by name (data sets, presets, commands, options, keys of a configuration) is what there is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../lib/cli/program';
import { datasetNames, sources } from '../../lib/data';
import { resolveConfig } from '../../lib/train/config/config';
import { presetNames } from '../../lib/train/config/presets';

const read = (name: string): string => readFileSync(join(__dirname, '../..', name), 'utf8');
const page = read('docs/CLI.md');
const synopsis = /```\n(onespike train[^]*?)```/.exec(page)![1]!;
/** Names in backticks, of which `a.b` also names `b`. */
const named = (text: string): Set<string> =>
  new Set([...text.matchAll(/`([\w.-]+)`/g)].flatMap(([, name]) => [name!, name!.split('.').at(-1)!]));
const section = (text: string, title: string): string => text.slice(text.indexOf(`\n## ${title}\n`)).split(/\n## /)[1]!;

test('data sets', () => {
  expect(/--dataset ([\w|-]+)/.exec(synopsis)![1]!.split('|')).toEqual(datasetNames);
  const words = named(section(read('docs/API.md'), 'Data'));
  expect(datasetNames.filter((name) => !words.has(name))).toEqual([]);
  // The README calls those that can be downloaded by their own names.
  const [, listed] = /data fetch NAME` *\|[^:|]*: ([^|]*?) *\|/.exec(read('README.md'))!;
  const fetched = datasetNames.filter((name) => sources[name].kind === 'public');
  expect(
    listed!
      .split(', ')
      .map((title) => title.toLowerCase().replace('-', ''))
      .sort(),
  ).toEqual(fetched.map((name) => name.replace('-', '')).sort());
});

test('presets', () => {
  expect(/A preset \(([^)]*)\)/.exec(page)![1]!.replaceAll('\n', ' ')).toBe(
    presetNames.map((name) => `\`${name}\``).join(', '),
  );
});

test('commands and their options', () => {
  const { commands } = buildProgram();
  const lines = synopsis.split(/\n(?=onespike )/);
  const commandOf = (line: string): Command => commands.find((command) => command.name() === line.split(' ')[1])!;
  expect(lines.map((line) => line.split(' ')[1])).toEqual(commands.map((command) => command.name()));
  for (const line of lines) {
    const { options } = commandOf(line);
    const known = options.map(({ long }) => long);
    for (const [option] of line.matchAll(/--[a-z-]+/g)) expect(known).toContain(option);
  }
  const [train] = lines;
  expect([...train!.matchAll(/--[a-z-]+/g)].map(([option]) => option).sort()).toEqual(
    commandOf(train!)
      .options.map(({ long }) => long)
      .sort(),
  );
});

test('keys of a configuration', () => {
  const words = named(section(page, 'Configuration'));
  const config = resolveConfig() as unknown as Record<string, unknown>;
  const keys = Object.entries(config).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null ? [key, ...Object.keys(value)] : [key],
  );
  // A phase and the groups within it are named by the whole: `evaluation.batch`.
  const all = new Set([...words, ...[...words].flatMap((word) => word.split('.'))]);
  expect(keys.filter((key) => !all.has(key))).toEqual([]);
});
