// llms.txt, from which programs that write programs learn: what it names is there, and its program runs.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgram } from '../../lib/cli/program';
import { temporaryFolder } from '../helpers/command-line';

const root = join(__dirname, '../..');
const page = readFileSync(join(root, 'llms.txt'), 'utf8');
const folder = temporaryFolder();

test('it has the form of the proposal, is short, and its links lead into the package', () => {
  expect(page).toMatch(/^# onespike\n\n> /);
  expect(page.split('\n').length).toBeLessThan(80);
  const links = [...page.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThan(5);
  expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([]);
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  expect(files).toContain('llms.txt');
});

test('it names every command', () => {
  const [, listed] = /Commands: ([^.]*)\./.exec(page)!;
  const names = [...listed!.matchAll(/`([\w-]+)`/g)].map(([, name]) => name);
  const commands = buildProgram().commands.map((command) => command.name());
  expect(names.sort()).toEqual(commands.sort());
});

test('its program runs', () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules', 'onespike'));
  writeFileSync(join(folder, 'program.mjs'), /```js\n([^]*?)```/.exec(page)![1]!);
  const output = execFileSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8' });
  expect(output).toBe(`2 ${2 * 16 * 32 * 32}\n`);
});
