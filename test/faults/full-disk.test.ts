// Disks and outputs that are full, limits, and places that are not there: one line that says what to do, and nothing
// lost.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeAll, expectFile, fetchFrom, start } from '../data/support/download-helpers';
import { good } from '../data/support/web';
import { cliProcess, temporaryFolder } from '../helpers/command-line';
import { briefConfig, complaints, lost, undisturbed } from './helpers';

const folder = temporaryFolder();
const main = join(__dirname, '../../dist/lib/cli/main.js');
const quiet = { ...process.env, CUDA_VISIBLE_DEVICES: '' };
let config: string;
let model: Buffer;

beforeAll(async () => {
  ({ config, model } = await undisturbed(folder, briefConfig));
}, 300_000);

/** A shell line with the command line as `$onespike`. */
function shell(
  line: string,
  options: { cwd?: string; env?: Record<string, string> } = {},
): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], {
    cwd: options.cwd ?? folder,
    env: { ...(options.env ?? quiet), node: process.execPath, main },
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

const stackFrame = /^\s+at /m;

/**
 * A file system of its own in memory, or why there is none. It lies apart, because a folder cannot be removed while it
 * is mounted.
 */
function mountDisk(): { disk: string } | { reason: string } {
  const disk = mkdtempSync(join(tmpdir(), 'onespike-disk-'));
  const args = ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk];
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status === 0) return { disk };
  rmdirSync(disk);
  return { reason: `cannot mount a tmpfs (${error?.message ?? stderr.trim()})` };
}

const mounted = mountDisk();
if ('reason' in mounted) console.log(`skipped: a full disk: ${mounted.reason}`);
afterAll(() => {
  if ('reason' in mounted) return;
  execFileSync('umount', [mounted.disk]);
  rmdirSync(mounted.disk);
});

describe('a small disk', () => {
  const disk = 'disk' in mounted ? mounted.disk : '';
  ('disk' in mounted ? test : test.skip).each([4, 8, 12, 16, 24, 32, 44, 56])(
    'of %i KiB',
    async (size) => {
      const run = join(disk, `run-${size}`);
      const resize = (kib: number): unknown => execFileSync('mount', ['-o', `remount,size=${kib}k`, disk]);
      resize(size);
      try {
        const result = await cliProcess(['train', config, '--out', run, '--json']);
        expect(result.status).toBe(1);
        expect(result.stderr).toMatch(/no space left on the device \(ENOSPC\); free some space there/);
        expect(complaints('train', result, run)).toEqual([]);
      } finally {
        resize(1024);
      }
      expect(await lost(run, model)).toEqual([]);
      execFileSync('rm', ['-rf', run]);
    },
    300_000,
  );
});

('disk' in mounted ? test : test.skip)('a download that does not fit is continued when there is space', async () => {
  const disk = 'disk' in mounted ? mounted.disk : '';
  const web = await start(good);
  const path = join(disk, 'download', 'file.bin');
  const resize = (kib: number): unknown => execFileSync('mount', ['-o', `remount,size=${kib}k`, disk]);
  try {
    resize(64);
    await expect(fetchFrom(web, { path }).result).rejects.toMatchObject({
      code: 'ERR_IO',
      message: `Cannot write ${path}.part: no space left on the device (ENOSPC); free some space there`,
    });
    resize(1024);
    expect(await fetchFrom(web, { path }).result).toBe('downloaded');
    expectFile(path);
    expect(web.requests).toEqual(['-', expect.stringMatching(/^bytes=\d+-$/)]);
  } finally {
    await closeAll();
    execFileSync('rm', ['-rf', join(disk, 'download')]);
  }
});

describe('an output that takes no more', () => {
  test.each([
    ['stdout', '>/dev/full', ''],
    ['stdout, with JSON', '--json >/dev/full', ''],
    ['both', '>/dev/full 2>&1', ''],
    ['stderr, when something is said there', '2>/dev/full', 'sleep 0.01; kill -TERM $!'],
  ])(
    '%s: the run is saved, and resume is named where it can be',
    async (name, redirection, then) => {
      const run = join(folder, `output ${name}`);
      const epochs = then === '' ? '' : '--set ann.epochs=100000';
      const wait = then === '' ? '' : `& while [ ! -s "${run}/metrics.jsonl" ]; do sleep 0.05; done; ${then}; wait $!`;
      const { status, output } = shell(
        `"$node" "$main" train "${config}" --out "${run}" ${epochs} ${redirection} ${wait}`,
      );
      expect(output).not.toMatch(stackFrame);
      expect(existsSync(join(run, 'run.lock'))).toBe(false);
      if (then !== '') {
        // The signal came first, so that the status is that of an interruption.
        expect(status).toBe(130);
        return;
      }
      expect(status).toBe(1);
      if (name !== 'both')
        expect(output).toContain(
          `Cannot write to stdout: no space left on the device (ENOSPC); free some space there. Interrupted and saved. Continue by: onespike resume 'output ${name}'`,
        );
      expect(await lost(run, model)).toEqual([]);
    },
    300_000,
  );

  test.each(['--help', 'presets', 'presets vgg9', 'doctor', 'data info shapes --json'])(
    '%s fails with one line',
    (command) => {
      const { status, output } = shell(`"$node" "$main" ${command} >/dev/full`);
      expect({ status, output }).toEqual({
        status: 1,
        output: 'error Cannot write to stdout: no space left on the device (ENOSPC); free some space there (ERR_IO)\n',
      });
    },
  );

  test('a reader that has seen enough is none', () => {
    const run = join(folder, 'head');
    shell(`"$node" "$main" train "${config}" --out "${run}" --json 2>err.txt | head -n 1 >/dev/null`);
    expect(readFileSync(join(folder, 'err.txt'), 'utf8')).toMatch(
      /^(Interrupted and saved\. Continue by: onespike resume .*\n)?$/,
    );
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });
});

test('files beyond the limit of the shell are an error, not the end of the process', async () => {
  const run = join(folder, 'limited');
  const { status, output } = shell(`ulimit -f 8; "$node" "$main" train "${config}" --out "${run}" >/dev/null`);
  expect(status).toBe(1);
  expect(output).toContain('larger than allowed (EFBIG); raise the limit (ulimit -f)');
  expect(output).not.toMatch(stackFrame);
  expect(await lost(run, model)).toEqual([]);
}, 300_000);

describe('without a place of its own', () => {
  const root = process.getuid?.() === 0;
  if (!root) console.log('skipped: a user without an entry in passwd: needs root');

  (root ? test.each : test.skip.each)([
    `train --dataset cifar10 --out ${join(tmpdir(), 'onespike-without-home')}`,
    'data info mnist',
    'data fetch mnist',
  ])('no home: %s says what to set', (command) => {
    const bare = { PATH: process.env.PATH ?? '' };
    for (const env of [bare, { ...bare, HOME: '' }]) {
      const { status, output } = shell(
        `setpriv --reuid 12345 --regid 12345 --clear-groups "$node" "$main" ${command}`,
        { cwd: '/', env },
      );
      expect(status).toBe(1);
      expect(output).toMatch(
        /^error Expected a home folder but received none .*; set ONESPIKE_DATA, or name a folder with --data DIR \(ERR_IO\)\n$/,
      );
    }
  });

  (root ? test : test.skip)('no home: a generated data set needs none', () => {
    const bare = { PATH: process.env.PATH ?? '' };
    const { status, output } = shell('"$node" "$main" data info shapes --json', { cwd: '/', env: bare });
    expect(status).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ event: 'data', name: 'shapes', present: true, directory: '' });
  });

  test.each(['train', 'eval run', 'resume run', 'predict run a.png', 'data info cifar10 --data x'])(
    'a working folder that was removed: %s says so in one line',
    async (command) => {
      const gone = join(folder, `gone ${command}`);
      mkdirSync(gone);
      const { status, output } = shell(`rmdir "$PWD"; exec "$node" "$main" ${command}`, { cwd: gone });
      expect(status).toBe(1);
      expect(output).toMatch(/^error Cannot find .*: the working folder no longer exists; .*\(ERR_IO\)\n$/);
    },
  );
});

test('two runs that are started in the same second have folders of their own', async () => {
  const here = join(folder, 'here');
  mkdirSync(here);
  const results = await Promise.all([1, 2, 3].map(() => cliProcess(['train', config, '--json'], { cwd: here })));
  expect(results.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
    results.map(() => ({ status: 0, stderr: '' })),
  );
  expect(readdirSync(join(here, 'runs'))).toHaveLength(3);
}, 300_000);
