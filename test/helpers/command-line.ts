// Runs the compiled command line as a child process, as a user would.
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const main = join(__dirname, '../../dist/lib/cli/main.js');
const server = join(__dirname, 'command-server.js');

export interface CliResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** stdout as JSON Lines. */
  events: () => Record<string, any>[];
}

const resultOf = (answer: Omit<CliResult, 'events'>): CliResult => ({
  ...answer,
  events: () =>
    answer.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, any>),
});

// Without a GPU, whatever the machine has: what these tests expect is what the CPU does.
const environment = (): NodeJS.ProcessEnv => ({ ...process.env, CUDA_VISIBLE_DEVICES: '' });

// A test that fails or runs out of time leaves its process behind, which keeps the worker of jest from its end.
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Runs a command in a process of its own. `started` gets the child at once; `during` sees every chunk of stdout and the
 * child, to send signals at the right moment.
 */
export function cliProcess(
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
      env: { ...environment(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
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
      running.delete(child);
      resolve(resultOf({ status, signal, stdout, stderr }));
    });
  });
}

/**
 * Runs commands one after the other in one process, which has loaded the program already: a start of Node.js with it
 * takes longer than most commands of the tests. For what a command says and leaves behind; what concerns the process
 * itself (signals, memory, how it ends) needs one of its own.
 */
export class CommandServer {
  private child: ChildProcess | undefined;
  private last: Promise<unknown> = Promise.resolve();

  /** To be made where hooks may be, because it ends with the tests of the file. `env`: more variables of its process. */
  constructor(private readonly env: Record<string, string> = {}) {
    afterAll(() => this.child?.kill());
  }

  /** `env`: variables that are set for this command alone. */
  run(args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): Promise<CliResult> {
    const result = this.last.then(() => this.answer({ args, cwd: process.cwd(), env: {}, ...options }));
    this.last = result.catch(() => undefined);
    return result;
  }

  private answer(command: { args: readonly string[] }): Promise<CliResult> {
    this.child ??= spawn(process.execPath, [server], {
      env: { ...environment(), ...this.env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = this.child;
    return new Promise((resolve, reject) => {
      let text = '';
      const done = (): void => {
        this.child!.off('exit', ended);
        stdout!.off('data', read);
      };
      const ended = (status: number | null, signal: NodeJS.Signals | null): void => {
        done();
        this.child = undefined;
        reject(new Error(`Expected an answer to ${command.args.join(' ')} but its process ended: ${signal ?? status}`));
      };
      const read = (chunk: Buffer): void => {
        text += chunk.toString();
        if (!text.endsWith('\n')) return;
        done();
        resolve(
          resultOf({ signal: null, ...(JSON.parse(text) as { status: number; stdout: string; stderr: string }) }),
        );
      };
      this.child!.on('exit', ended);
      stdout!.on('data', read);
      stdin!.write(`${JSON.stringify(command)}\n`);
    });
  }
}

const shared = new CommandServer();

/** Runs a command in the process that the commands of a test file share. */
export const cli = (args: readonly string[], options: { cwd?: string } = {}): Promise<CliResult> =>
  shared.run(args, options);

/** A file system in memory with a GiB left, if there is one. */
function memoryFolder(): string | undefined {
  const folder = '/dev/shm';
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize > 2 ** 30 ? folder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A folder that is gone after the tests of the file, in memory where that is ample: every write of a run waits until it
 * is on the disk, 13 ms at a time on a busy one.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(memoryFolder() ?? tmpdir(), 'onespike-test-'));
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
