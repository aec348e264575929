// The README's program runs as it stands, on fewer images.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

test('the program in the README trains, loads its run and names a class', () => {
  const program = /```js\n([^]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!;
  expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  const quick = program.replace(
    "preset: 'vgg6', ",
    "preset: 'vgg6', dataset: { trainCount: 200, testCount: 50 }, ann: { epochs: 1 }, snn: { epochs: 1 }, ",
  );
  expect(quick).not.toBe(program);
  const folder = mkdtempSync(join(tmpdir(), 'onespike-readme-'));
  try {
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(root, join(folder, 'node_modules', 'onespike'));
    writeFileSync(join(folder, 'program.mjs'), quick);
    const output = execFileSync(process.execPath, ['program.mjs'], { cwd: folder, encoding: 'utf8', timeout: 120_000 });
    expect(output).toMatch(/^ann 1 0?\.?\d+/m);
    expect(output).toMatch(/^snn 1 0?\.?\d+/m);
    expect(output).toMatch(/Uint8Array\(16384\)/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 150_000);
