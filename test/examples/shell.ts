// Carries out documented commands: those of this package by its built program, others by a shell.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CommandServer, type CliResult } from '../helpers/command-line';
import { isOwnCommand } from './blocks';
import { shorter } from './shorter';

export interface Done extends Pick<CliResult, 'status' | 'stdout' | 'stderr'> {
  /** The command as it was carried out. */
  command: string;
}

/** Commands of this package that answer until they are stopped. */
const isServer = (args: readonly string[]): boolean => ['serve', 'watch'].includes(args[0]!);

export class Shell {
  /** Text of documents, as a pattern, and what stands in its place here. */
  readonly replaced: [RegExp, string][] = [];
  readonly #folder: string;
  readonly #environment: Record<string, string>;
  readonly #program: CommandServer;
  readonly #servers: Promise<Done>[] = [];

  /** Must be made where hooks may be, as a CommandServer. */
  constructor(folder: string, environment: Record<string, string>) {
    this.#folder = folder;
    this.#environment = environment;
    this.#program = new CommandServer(environment);
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
  async within(args: readonly string[], during: (stdout: string) => void = () => undefined): Promise<Done> {
    const result = await this.#program.beside(args, { cwd: this.#folder, during });
    return { command: `onespike ${args.join(' ')}`, ...result };
  }

  /** Stops the servers as Ctrl-C does, and tells their status. */
  async stop(): Promise<(number | null)[]> {
    if (this.#servers.length > 0) this.#program.signal('SIGINT');
    return (await Promise.all(this.#servers.splice(0))).map(({ status }) => status);
  }

  /** Waits for the address, at which later commands ask in the place of the documented port. */
  #serve(documented: readonly string[]): Promise<Done> {
    const args = [...documented, '--port', '0'];
    return new Promise((resolve, reject) => {
      let port: string | undefined;
      const ended = this.within(args, (stdout) => {
        if (port !== undefined) return;
        port = /http:\/\/[\d.]+:(\d+)/.exec(stdout)?.[1];
        if (port === undefined) return;
        if (args[0] === 'serve') this.replaced.push([/127\.0\.0\.1:8080/, `127.0.0.1:${port}`]);
        resolve({ command: `onespike ${args.join(' ')}`, status: 0, stdout, stderr: '' });
      });
      // One that fails has no address.
      ended.then(resolve, reject);
      this.#servers.push(ended);
    });
  }

  /** A command of other programs. */
  async outside(command: string): Promise<Done> {
    const options = { cwd: this.#folder, env: { ...process.env, ...this.#environment } };
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], options);
    return { command, status: 0, stdout, stderr };
  }
}
