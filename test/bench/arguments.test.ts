// The small benches explain themselves and refuse what they do not know.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const bench = (script: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(__dirname, '..', '..', 'bench', script), ...args], {
    encoding: 'utf8',
    timeout: 60_000,
  });

test.each(['epochs.mjs', 'data.mjs', 'scaling.mjs'])('%s has --help, and ends with 2 at a wrong option', (script) => {
  const help = bench(script, '--help');
  expect(help.status).toBe(0);
  expect(help.stdout).toMatch(/npm run bench:.*--(models|rounds)/);

  for (const [args, message] of [
    [['--modles', 'vgg9'], /--modles.*--help lists the options/],
    [['vgg9'], /vgg9.*--help lists the options/],
  ] as const) {
    const wrong = bench(script, ...args);
    expect(wrong.status).toBe(2);
    expect(wrong.stdout).toBe('');
    expect(wrong.stderr).toMatch(message);
    expect(wrong.stderr.trim().split('\n')).toHaveLength(1);
  }
});
