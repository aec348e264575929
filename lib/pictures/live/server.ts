// The server of the live page: this machine alone, one page and its stream of events.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OneSpikeError } from '../../errors';
import { headersFor, paths, refusalOf, urlOf } from './access';
import type { Board } from './board';
import { hashes, livePage } from './live-page';

const address = '127.0.0.1';
/** The least time between two looks at the folders. */
const PAUSE_MILLISECONDS = 500;
/** Reading and drawing take at most one part in so many of the time, however long a run is. */
const IDLE_SHARE = 20;
/** What keeps a connection from being taken for dead. */
const BEAT_MILLISECONDS = 15_000;
/** Pages that are open at a time. */
const MOST_PAGES = 32;
/** How long pages have, at the end, to read what is left. */
const FAREWELL_MILLISECONDS = 1000;

const headers = headersFor(hashes.style, hashes.script);

/** A page that is open. */
interface Page {
  response: ServerResponse;
  /** The version of the board that it has. */
  version: number;
  /** The order of its parts. */
  order: string;
  /** Whether it has not read yet what was sent. */
  busy: boolean;
}

export class WatchServer {
  readonly #pages = new Set<Page>();
  readonly #token = randomBytes(16).toString('hex');
  readonly #server: Server;
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshed = -Infinity;
  #pause = PAUSE_MILLISECONDS;
  #closed = false;
  #url = '';
  readonly #beat: NodeJS.Timeout;

  private constructor(private readonly board: Board) {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.maxConnections = 4 * MOST_PAGES;
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#beat = setInterval(() => {
      for (const { response } of this.#pages) response.write(':\n\n');
    }, BEAT_MILLISECONDS);
    this.#beat.unref();
  }

  /** Starts a server for the board, on a free port where `port` is 0. Errors: ERR_IO for a port that cannot be had. */
  static async start(board: Board, port = 0): Promise<WatchServer> {
    const server = new WatchServer(board);
    try {
      server.#server.listen(port, address);
      await once(server.#server, 'listening');
      const { port: given } = server.#server.address() as AddressInfo;
      server.#url = `http://${address}:${given}${paths.page}?token=${server.#token}`;
      return server;
    } catch (cause) {
      clearInterval(server.#beat);
      const { code, message } = cause as NodeJS.ErrnoException;
      const reason = code === 'EADDRINUSE' ? 'another program uses it; choose one with --port' : message;
      throw new OneSpikeError('ERR_IO', `Expected a free port for the live page but ${port} is not: ${reason}`, {
        cause,
      });
    }
  }

  /** The address of the page, token included. */
  get url(): string {
    return this.#url;
  }

  /** Tells the pages that are open what there is at the end, and ends. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    if (this.#pages.size > 0) {
      await this.#refreshing;
      await this.board.refresh();
      for (const page of this.#pages) {
        page.busy = false;
        this.#send(page);
        page.response.end('event: end\ndata: \n\n');
      }
    }
    const ended = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), FAREWELL_MILLISECONDS);
    await ended;
    clearTimeout(late);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = refusalOf(request, this.#token);
    if (refusal !== undefined) {
      response.writeHead(refusal.status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(request.method === 'HEAD' ? undefined : `${refusal.reason}\n`);
      return;
    }
    const { pathname, searchParams } = urlOf(request)!;
    if (pathname === paths.events) return this.#open(request, response, searchParams.get('since'));
    await this.#refreshNow();
    response.writeHead(200, { ...headers, 'Content-Type': 'text/html; charset=utf-8' });
    response.end(request.method === 'HEAD' ? undefined : livePage(this.board));
  }

  /** Opens a stream. A page that comes back says by its last event what it has. */
  #open(request: IncomingMessage, response: ServerResponse, since: string | null): void {
    if (this.#pages.size >= MOST_PAGES || this.#closed) {
      response.writeHead(503, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    response.write('retry: 1000\n\n');
    const version = Number(request.headers['last-event-id'] ?? since ?? -1);
    const page: Page = { response, version: Number.isInteger(version) ? version : -1, order: '', busy: false };
    this.#pages.add(page);
    response.on('close', () => this.#pages.delete(page));
    response.on('error', () => this.#pages.delete(page));
    response.on('drain', () => {
      page.busy = false;
      this.#send(page);
    });
    this.#send(page);
    this.#schedule();
  }

  /** Looks at the folders again, as long as a page is open. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#closed || this.#pages.size === 0) return;
    this.#timer = setTimeout(() => {
      void this.#refreshNow().finally(() => {
        this.#timer = undefined;
        for (const page of this.#pages) this.#send(page);
        this.#schedule();
      });
    }, this.#pause);
  }

  /** Brings the board up to date, unless that has just been done. */
  #refreshNow(): Promise<void> {
    if (performance.now() - this.#refreshed < this.#pause) return Promise.resolve();
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const started = performance.now();
    await this.board.refresh();
    this.#refreshed = performance.now();
    this.#pause = Math.max(PAUSE_MILLISECONDS, IDLE_SHARE * (this.#refreshed - started));
  }

  /** Sends a page what it lacks; one that reads slowly gets the newest state of each part when it has read the last. */
  #send(page: Page): void {
    const { board } = this;
    const order = JSON.stringify(board.order);
    if (page.busy || board.order.length === 0 || (page.version >= board.version && page.order === order)) return;
    const data = JSON.stringify({ order: board.order, parts: board.partsSince(page.version) });
    page.version = board.version;
    page.order = order;
    page.busy = !page.response.write(`id: ${board.version}\nevent: parts\ndata: ${data}\n\n`);
  }
}
