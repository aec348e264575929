// Configuration files as people write them, and the ways to name one.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configOf } from '../../lib/cli/commands/train';
import { cli, cliProcess, temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const text = JSON.stringify({ snn: { epochs: 3 } });
const at = (name: string): string => join(folder, name);

test.each([
  ['plain.json', Buffer.from(text)],
  ['mark.json', Buffer.from(`\ufeff${text}`)],
  ['powershell.json', Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['UPPER.JSON', Buffer.from(text)],
  ['named.jsonc', Buffer.from(text)],
  ['without-extension', Buffer.from(text)],
])('%s is read', async (name, bytes) => {
  writeFileSync(at(name), bytes);
  expect((await configOf(at(name), { set: [] })).snn.epochs).toBe(3);
});

test('a file in the working folder needs no slash and no extension, but a preset comes first', async () => {
  mkdirSync(at('here'), { recursive: true });
  writeFileSync(at('here/mine'), text);
  writeFileSync(at('here/vgg9'), text);
  const before = process.cwd();
  process.chdir(at('here'));
  try {
    expect((await configOf('mine', { set: [] })).snn.epochs).toBe(3);
    expect(await configOf('vgg9', { set: [] })).toMatchObject({ preset: 'vgg9', snn: { epochs: 16 } });
  } finally {
    process.chdir(before);
  }
});

test('- is standard input', () => {
  const main = join(__dirname, '../../dist/lib/cli/main.js');
  // A fault in what comes from there, because a configuration without one would be trained.
  const { status, stderr } = spawnSync(process.execPath, [main, 'train', '-'], {
    input: '{"snn" 5}',
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/JSON in standard input but received "5}" at line 1, column 8/);
});

test.each([
  [['./absent'], /absent: no such file/],
  [[`${folder}/absent.jsonc`], /absent\.jsonc: no such file/],
  [[folder], /Could not read/],
  [['vgg8'], /Expected one of 'vgg6', .* for preset but received 'vgg8'/],
])('%j is wrong usage', async (args, message) => {
  const { status, stderr } = await cli(['train', ...args]);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});

test('comments, last commas and $schema are read, and a fault beside them is named by its place', async () => {
  const commented = (last: string): string =>
    `{\n  "$schema": "./config.schema.json",\n  // fewer than usual\n  "snn": { "epochs": 3, }, /* and */\n  ${last}\n}`;
  writeFileSync(at('commented.json'), commented('"seed": 5,'));
  const config = await configOf(at('commented.json'), { set: [] });
  expect(config).toMatchObject({ seed: 5, snn: { epochs: 3 } });
  expect(config).not.toHaveProperty('$schema');
  writeFileSync(at('commented.json'), commented('"seed" 5'));
  const { status, stderr } = await cli(['train', at('commented.json')]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/received "5" at line 5, column 10/);
});

test('~ in a variable or a file is the home folder', async () => {
  const env = { HOME: folder, ONESPIKE_DATA: '~/data' };
  const { events } = await cliProcess(['data', 'info', 'mnist', '--json'], { env });
  expect(events()[0]).toMatchObject({ directory: at('data') });
  const named = await cliProcess(['data', 'info', 'mnist', '--data=~/mnist', '--json'], { env });
  expect(named.events()[0]).toMatchObject({ directory: at('mnist') });
});

test('a download that cannot be had says what it does meanwhile', async () => {
  // Nobody listens at port 9 of this machine.
  const env = { https_proxy: 'http://127.0.0.1:9', HTTPS_PROXY: 'http://127.0.0.1:9', NO_PROXY: '', no_proxy: '' };
  const stopped = await cliProcess(['data', 'fetch', 'mnist', '--data', at('fetched')], {
    env,
    started: (child) => {
      let errors = '';
      let sent = false;
      child.stderr!.on('data', (chunk: Buffer) => {
        errors += chunk.toString();
        if (!sent && errors.includes('attempt 3 of 5')) sent = child.kill('SIGINT');
      });
    },
  });
  expect(stopped.status).toBe(130);
  expect(stopped.stderr).toMatch(/ossci-datasets.*train-images.*: \w+.*; attempt 2 of 5 in 1 s/);
});
