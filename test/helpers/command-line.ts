// Runs the compiled command line as a child process, as a user would.
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The compiled command line. */
export const main = join(__dirname, '../../dist/lib/cli/main.js');
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
const onCpu = { CUDA_VISIBLE_DEVICES: '' };

// A test that fails or runs out of time leaves its process behind, which keeps the worker of jest from its end.
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill('SIGKILL');
});

interface ProcessOptions {
  cwd?: string;
  /** More variables of its process. */
  env?: NodeJS.ProcessEnv;
  /** Gets the child at once. */
  started?: (child: ChildProcess) => unknown;
  /** Sees every chunk of stdout and the child, to send signals at the right moment. */
  during?: (stdout: string, child: ChildProcess) => unknown;
}

/** Runs a program to its end. */
export function runProcess(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
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

/** Runs a command in a process of its own. */
export const cliProcess = (args: readonly string[], options: ProcessOptions = {}): Promise<CliResult> =>
  runProcess(process.execPath, [main, ...args], { ...options, env: { ...onCpu, ...options.env } });

interface CommandOptions {
  cwd?: string;
  /** Variables that are set for this command alone. */
  env?: Record<string, string>;
  /** Sees all of stdout so far whenever there is more. */
  during?: (stdout: string) => unknown;
}

/** What the process of a CommandServer says of the command with this number. */
interface Answer {
  id: number;
  stdout?: string;
  stderr?: string;
  status?: number;
}

/**
 * Runs commands in one process, which has loaded the program already: a start of Node.js with it takes longer than most
 * commands of the tests. For what a command says and leaves behind; what concerns the process itself (signals, memory,
 * how it ends) needs one of its own.
 */
export class CommandServer {
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #begun = 0;
  /** The commands that have not ended, by their numbers. */
  readonly #open = new Map<number, { take: (answer: Answer) => void; fail: (how: string) => void }>();

  /** Must be made where hooks may be, because it ends with the tests of the file. `env`: variables of its process. */
  constructor(env: Record<string, string> = {}) {
    this.#env = env;
    afterAll(() => this.signal('SIGKILL'));
  }

  /** Runs a command after those before it. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<CliResult> {
    const result = this.#last.then(() => this.beside(args, options));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Runs a command at once, beside those that have not ended: of these none may have another folder or variables. */
  beside(args: readonly string[], options: CommandOptions = {}): Promise<CliResult> {
    this.#child ??= this.#start();
    const { cwd = process.cwd(), env = {}, during } = options;
    const id = this.#begun++;
    this.#child.stdin!.write(`${JSON.stringify({ id, args, cwd, env })}\n`);
    return new Promise<CliResult>((resolve, reject) => {
      const written = { stdout: '', stderr: '' };
      const take = ({ stdout = '', stderr = '', status }: Answer): void => {
        written.stdout += stdout;
        written.stderr += stderr;
        if (stdout !== '') during?.(written.stdout);
        if (status !== undefined) resolve(resultOf({ status, signal: null, ...written }));
      };
      const fail = (how: string): void =>
        reject(new Error(`Expected an answer to ${args.join(' ')} but its process ended: ${how}`));
      this.#open.set(id, { take, fail });
    }).finally(() => this.#open.delete(id));
  }

  /** Sends a signal to the process of all commands. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, [server], {
      env: { ...process.env, ...onCpu, ...this.#env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#open.get(answer.id)?.take(answer);
    });
    child.on('exit', (status, signal) => {
      this.#child = undefined;
      for (const { fail } of this.#open.values()) fail(String(signal ?? status));
    });
    return child;
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
