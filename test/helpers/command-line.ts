// Runs the compiled command line as a child process, as a user would.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const main = join(__dirname, '../../dist/lib/cli/main.js');

export interface CliResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON Lines. */
  events: () => Record<string, any>[];
}

/**
 * Without a GPU, whatever the machine has: what these tests expect is what the CPU does. `started` gets the child at
 * once; `during` sees every chunk of stdout and the child, to send signals at the right moment.
 */
export function cli(
  args: string[],
  options: {
    cwd?: string;
    env?: Record<string, string>;
    started?: (child: ChildProcess) => unknown;
    during?: (stdout: string, child: ChildProcess) => unknown;
  } = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: options.cwd,
      env: { ...process.env, CUDA_VISIBLE_DEVICES: '', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    options.started?.(child);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      options.during?.(stdout, child);
    });
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (status, signal) => {
      resolve({
        status,
        signal,
        stdout,
        stderr,
        events: () =>
          stdout
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as Record<string, any>),
      });
    });
  });
}

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'onespike-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A run of a few seconds: a tiny network on few images, with everything a real one has. On the CPU, because tests
 * expect bit-identical results.
 */
export const tinyConfig = {
  model: {
    name: 'tiny',
    layers: [
      { type: 'conv', out: 6, stride: 2, dropout: 0.1 },
      { type: 'avgpool' },
      { type: 'conv', out: 8 },
      { type: 'avgpool' },
      { type: 'linear', out: 10, output: true },
    ],
    timesteps: 4,
  },
  dataset: { name: 'shapes', trainCount: 200, testCount: 50 },
  backend: 'cpu',
  threads: 1,
  ann: { epochs: 2, batch: 16, augment: { padding: 2, flip: true } },
  convert: { images: 50 },
  snn: { epochs: 2, batch: 16, optimizer: { learningRate: 0.001 }, augment: { padding: 2, flip: true } },
  energy: { images: 20 },
} as const;
