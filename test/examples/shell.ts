// Carries out documented commands: those of this package by its built program, others by a shell.
import { execFile, fork, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isOwnCommand } from './blocks';
import { shorter } from './shorter';

export interface Done {
  /** The command as it was carried out. */
  command: string;
  status: number;
  stdout: string;
  stderr: string;
}

interface Answer {
  id: number;
  status?: number;
  stdout: string;
  stderr?: string;
}

/** Commands of this package that answer until they are stopped. */
const isServer = (args: readonly string[]): boolean => ['serve', 'watch'].includes(args[0]!);

export class Shell {
  /** Text of documents, as a pattern, and what stands in its place here. */
  readonly replaced: [RegExp, string][] = [];
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  /** One process for all commands: to start one for each would take longer than most of them. */
  readonly #program: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #servers: Promise<number>[] = [];
  #last = 0;

  constructor(folder: string, environment: Record<string, string>) {
    this.#folder = folder;
    this.#environment = { ...process.env, ...environment };
    this.#program = fork(join(__dirname, 'commands.mjs'), { cwd: folder, env: this.#environment });
    this.#program.on('message', (answer: Answer) => this.#waiting.get(answer.id)?.(answer));
  }

  /** A text of a document with what stands for it here. */
  here(documented: string): string {
    return this.replaced.reduce((text, [from, to]) => text.replace(from, to), documented);
  }

  /** Carries out a command. A server goes on until `stop`. */
  async carryOut(documented: string): Promise<Done> {
    const command = this.here(documented);
    if (!isOwnCommand(command)) return this.outside(command);
    const [line = '', into] = command.replace(/^(npx )?onespike /, '').split(/ +> +/);
    const args = line.split(/ +/);
    const done = isServer(args) ? await this.#serve(args) : await this.within(shorter(args, this.#folder));
    if (into !== undefined) writeFileSync(join(this.#folder, into), done.stdout);
    return done;
  }

  /** A command line of this package as it stands. */
  within(args: readonly string[], onAddress: (stdout: string) => void = () => undefined): Promise<Done> {
    const id = this.#last++;
    this.#program.send({ id, args });
    return new Promise((resolve) => {
      this.#waiting.set(id, ({ status, stdout, stderr = '' }) => {
        if (status === undefined) return onAddress(stdout);
        this.#waiting.delete(id);
        resolve({ command: `onespike ${args.join(' ')}`, status, stdout, stderr });
      });
    });
  }

  /** Stops the servers as Ctrl-C does, and tells their status. */
  async stop(): Promise<number[]> {
    if (this.#servers.length > 0) this.#program.kill('SIGINT');
    return Promise.all(this.#servers.splice(0));
  }

  end(): void {
    this.#program.kill('SIGKILL');
  }

  /** Waits for the address, at which later commands ask in the place of the documented port. */
  #serve(documented: readonly string[]): Promise<Done> {
    const args = [...documented, '--port', '0'];
    return new Promise((resolve) => {
      const ended = this.within(args, (stdout) => {
        const port = /http:\/\/[\d.]+:(\d+)/.exec(stdout)![1];
        if (args[0] === 'serve') this.replaced.push([/127\.0\.0\.1:8080/, `127.0.0.1:${port}`]);
        resolve({ command: `onespike ${args.join(' ')}`, status: 0, stdout, stderr: '' });
      });
      // One that fails has no address.
      void ended.then(resolve);
      this.#servers.push(ended.then(({ status }) => status));
    });
  }

  /** A command of other programs. */
  async outside(command: string): Promise<Done> {
    const options = { cwd: this.#folder, env: this.#environment };
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], options);
    return { command, status: 0, stdout, stderr };
  }
}
