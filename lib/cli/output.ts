// Where a command speaks: JSON Lines on stdout for programs, text for people. Diagnostics always go to stderr.
import { Writable } from 'node:stream';
import { paintFor, visibleWidth, type Paint } from './style';

export interface Streams {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

/** Streams that show nothing, for a process that others speak for. */
export function silentStreams(): Streams {
  const nowhere = (): NodeJS.WriteStream =>
    new Writable({ write: (_chunk, _encoding, done) => done() }) as unknown as NodeJS.WriteStream;
  return { stdout: nowhere(), stderr: nowhere() };
}

// Between two lines of progress where no terminal shows a live one.
const PROGRESS_MILLISECONDS = 5000;
// A log file without a new line for longer than this looks as if the work had stopped.
const SILENT_MILLISECONDS = 60_000;

export class Output {
  readonly paint: Paint;
  private live = false;
  private liveProgress = false;
  private lastProgress = -Infinity;
  private lastLine = performance.now();

  constructor(
    readonly json: boolean,
    private readonly streams: Streams = process,
  ) {
    this.paint = paintFor(streams.stdout);
  }

  /** True if a live line makes sense, on a terminal. */
  get interactive(): boolean {
    return !this.json && this.streams.stdout.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** The width of the terminal; 80 where it is unknown. */
  get columns(): number {
    return this.streams.stdout.columns || 80;
  }

  /** One object of the JSON Lines; nothing for a person. */
  event<E extends { event: string }>(event: E): void {
    if (this.json) this.streams.stdout.write(`${JSON.stringify(event)}\n`);
  }

  /** A line for a person; nothing in JSON mode. */
  line(text = ''): void {
    if (this.json) return;
    this.clear();
    this.lastLine = performance.now();
    this.streams.stdout.write(`${text}\n`);
  }

  /** Text as it is, for a file or another program; nothing in JSON mode. */
  text(text: string): void {
    if (!this.json) this.streams.stdout.write(text);
  }

  /** A remark on stderr in either mode. */
  note(text: string): void {
    this.clear();
    this.streams.stderr.write(`${text}\n`);
  }

  /** A warning: a remark for a person, and an object of the JSON Lines. */
  warn(warning: { code: string; message: string }): void {
    const event = { event: 'warning', ...warning };
    this.event(event);
    this.note(`${this.paint('yellow', 'warning')}  ${warning.message}`);
  }

  /**
   * Replaces the live line; cut to the width of the terminal, so that it never wraps. Where there is no live line, the
   * text becomes a line of its own once a minute has passed without one.
   */
  status(text: string): void {
    if (!this.interactive) {
      if (performance.now() - this.lastLine >= SILENT_MILLISECONDS) this.line(text);
      return;
    }
    this.streams.stdout.write(`\r\x1b[2K${fitting(text, this.columns)}`);
    this.live = true;
  }

  /** Progress on stderr in either mode: a live line on a terminal, elsewhere a line every few seconds. */
  progress(text: string): void {
    const { stderr } = this.streams;
    if (stderr.isTTY === true && process.env.TERM !== 'dumb') {
      stderr.write(`\r\x1b[2K${fitting(text, stderr.columns || 80)}`);
      this.liveProgress = true;
    } else if (performance.now() - this.lastProgress >= PROGRESS_MILLISECONDS) {
      this.lastProgress = performance.now();
      stderr.write(`${text}\n`);
    }
  }

  clear(): void {
    if (this.live) this.streams.stdout.write('\r\x1b[2K');
    if (this.liveProgress) this.streams.stderr.write('\r\x1b[2K');
    this.live = this.liveProgress = false;
  }
}

/** A cut through a colour code would leave the terminal coloured, so a line that is too long loses its colours. */
function fitting(text: string, columns: number): string {
  return visibleWidth(text) < columns ? text : [...text.replace(/\x1b\[\d+m/g, '')].slice(0, columns - 1).join('');
}
