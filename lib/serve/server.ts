// Answers for pictures over HTTP: POST /predict, and what a supervisor asks, /healthz and /metrics.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkInteger, checkOptions, checkString } from '../check';
import { ioError } from '../io/system-error';
import type { Mode, Network } from '../model/network';
import { packageVersion } from '../native/version';
import { stepsToDecision } from '../model/code/steps';
import { answersOf, type Answer } from './answers';
import { Batcher } from './batcher';
import { BodyReader, drain } from './body';
import { refuseForeign } from './host';
import { Metrics } from './metrics';
import { SERVE_LIMITS } from './limits';
import { Decoder, picturesOf } from './pictures';
import { Refusal, refusalOf } from './refusal';

/** Options of `serve`. */
export interface ServeOptions {
  /** The address to listen on; 127.0.0.1 by default, which other machines do not reach. */
  host?: string | undefined;
  /** The port; 0, the default, for any that is free. */
  port?: number | undefined;
  /** What of the network answers; `snn` by default. */
  mode?: Mode | undefined;
  /** The names of the classes. */
  classes?: readonly string[] | undefined;
  /** The name of the network, as answers and metrics have it; that of its description by default. */
  name?: string | undefined;
  /** Whether an image ends at its first output spike, as in `ForwardOptions`; false by default. */
  earlyExit?: boolean | undefined;
  /** The largest number of images that are computed together; 32 by default. */
  batch?: number | undefined;
  /** The largest number of images that wait, and of those in one request; 256 by default. More are refused with 503. */
  queue?: number | undefined;
  /** The largest number of bytes of a request; 16 MiB by default. More are refused with 413. */
  maxBytes?: number | undefined;
  /** The largest number of pixels of a picture; 16,777,216 by default. */
  maxPixels?: number | undefined;
  /**
   * The longest time of a request in milliseconds; 10,000 by default. One that has not arrived by then is refused with
   * 408, one that is not answered by then with 503.
   */
  timeoutMs?: number | undefined;
  /** The function that is told of every request when it is answered. */
  onRequest?: ((request: ServedRequest) => void) | undefined;
}

/** A request that was answered. */
export interface ServedRequest {
  /** The method. */
  method: string;
  /** The path. */
  path: string;
  /** The status of the answer; 499 if the client left before it. */
  status: number;
  /** The number of images that were answered. */
  images: number;
  /** The time from its head to its answer, in milliseconds. */
  milliseconds: number;
  /** Why it was refused. */
  error?: string;
}

/** A server that runs. */
export interface RunningServer {
  /** Its address. */
  url: string;
  /** The port that it listens on. */
  port: number;
  /** Takes no more connections, answers the requests that have begun, and resolves when that is done. */
  close(): Promise<ServerTotals>;
}

/** What a server has done. */
export interface ServerTotals {
  /** The number of requests that were answered. */
  requests: number;
  /** The number of images that were answered. */
  images: number;
}

const KEYS = [
  'host',
  'port',
  'mode',
  'classes',
  'name',
  'earlyExit',
  'batch',
  'queue',
  'maxBytes',
  'maxPixels',
  'timeoutMs',
  'onRequest',
] as const satisfies readonly (keyof ServeOptions)[];

/** What is answered. */
interface Reply {
  status: number;
  body: string;
  type?: string;
  headers?: Readonly<Record<string, string>>;
  images?: number;
  error?: string;
}

const PATHS: Readonly<Record<string, readonly string[]>> = {
  '/predict': ['POST'],
  '/healthz': ['GET', 'HEAD'],
  '/metrics': ['GET', 'HEAD'],
};

/**
 * Serves a network over HTTP: `POST /predict` answers for one picture or several, `GET /healthz` says whether it does,
 * `GET /metrics` counts for Prometheus. The network is busy while it serves; the caller disposes of it after `close`.
 * Errors: ERR_ARG; ERR_IO if the address cannot be listened on.
 */
export async function serve(network: Network, options: ServeOptions = {}): Promise<RunningServer> {
  const service = new Service(network, checkServeOptions(options));
  return service.listen();
}

type Settings = ReturnType<typeof checkServeOptions>;

function checkServeOptions(options: ServeOptions) {
  const given = checkOptions(options, 'options', KEYS) as ServeOptions;
  const { host = '127.0.0.1', port = 0, batch = 32, queue = 256 } = given;
  return {
    ...given,
    host: checkString(host, 'host'),
    port: checkInteger(port, 'port', SERVE_LIMITS.port),
    batch: checkInteger(batch, 'batch', SERVE_LIMITS.batch),
    queue: checkInteger(queue, 'queue', SERVE_LIMITS.queue),
    maxBytes: checkInteger(given.maxBytes ?? 2 ** 24, 'maxBytes', SERVE_LIMITS.maxBytes),
    maxPixels: checkInteger(given.maxPixels ?? 2 ** 24, 'maxPixels', SERVE_LIMITS.maxPixels),
    timeoutMs: checkInteger(given.timeoutMs ?? 10_000, 'timeoutMs', SERVE_LIMITS.timeoutMs),
  };
}

class Service {
  readonly #metrics: Metrics;
  readonly #batcher: Batcher;
  readonly #bodies: BodyReader;
  readonly #decoder: Decoder;
  readonly #server: Server;
  readonly #name: string;
  #stopping = false;

  constructor(
    network: Network,
    private readonly settings: Settings,
  ) {
    const { mode = 'snn', earlyExit = false, maxBytes, maxPixels, timeoutMs } = settings;
    const { input, name } = network.description;
    this.#name = settings.name ?? name;
    const about = { model: this.#name, version: packageVersion(), backend: network.backend, mode };
    this.#metrics = new Metrics(about, stepsToDecision(network.description));
    this.#bodies = new BodyReader(maxBytes);
    this.#decoder = new Decoder(input, maxPixels);
    this.#batcher = new Batcher(async (pixels) => {
      const { answers, stats } = await answersOf(network, pixels, { mode, earlyExit });
      const spikes = stats.spikes.reduce((sum, layer) => sum + layer, 0);
      this.#metrics.batch(answers.length, spikes);
      return answers;
    }, settings);
    this.#server = createServer({ connectionsCheckingInterval: 500 }, (request, response) => {
      void this.#handle(request, response);
    });
    // Bodies have a time of their own, which begins with the head.
    this.#server.headersTimeout = timeoutMs;
    this.#server.requestTimeout = 0;
    this.#server.maxConnections = 1024;
  }

  async listen(): Promise<RunningServer> {
    const { host, port } = this.settings;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => reject(ioError('listen on', `${host}:${port}`, error));
      this.#server.once('error', failed);
      this.#server.listen(port, host, () => {
        this.#server.off('error', failed);
        resolve();
      });
    });
    const address = this.#server.address() as AddressInfo;
    const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    let closed: Promise<ServerTotals> | undefined;
    return {
      url: `http://${shown}:${address.port}`,
      port: address.port,
      close: () => (closed ??= this.#close()),
    };
  }

  async #close(): Promise<ServerTotals> {
    this.#stopping = true;
    const ended = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Every request has an end of its own; this is for clients that do not read their answers.
    const timer = setTimeout(() => this.#server.closeAllConnections(), this.settings.timeoutMs + 1000);
    await ended;
    clearTimeout(timer);
    await this.#batcher.idle();
    const { requests, images } = this.#metrics;
    return { requests, images };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const method = request.method ?? '';
    const path = (request.url ?? '').split('?')[0]!;
    const controller = new AbortController();
    const stage = { reading: true };
    const timer = setTimeout(() => {
      const late = stage.reading
        ? new Refusal(408, `the request had not arrived after ${this.settings.timeoutMs} ms`)
        : new Refusal(503, `there was no answer after ${this.settings.timeoutMs} ms`, { 'retry-after': '1' });
      controller.abort(late);
    }, this.settings.timeoutMs);
    response.on('close', () => controller.abort(new Refusal(499, 'the client has left')));
    let reply: Reply;
    try {
      reply = await this.#route(request, method, path, controller.signal, stage);
    } catch (error) {
      reply = refused(error);
    }
    clearTimeout(timer);
    const milliseconds = performance.now() - started;
    send(request, response, reply, this.#stopping);
    const { status, images = 0, error } = reply;
    const known = Object.hasOwn(PATHS, path);
    this.#metrics.request(
      { path: known ? path : 'other', method: known && PATHS[path]!.includes(method) ? method : 'other', status },
      milliseconds / 1000,
    );
    const served = { method, path, status, images, milliseconds: Math.round(1000 * milliseconds) / 1000 };
    this.settings.onRequest?.({ ...served, ...(error === undefined ? {} : { error }) });
  }

  async #route(
    request: IncomingMessage,
    method: string,
    path: string,
    signal: AbortSignal,
    stage: { reading: boolean },
  ): Promise<Reply> {
    const methods = Object.hasOwn(PATHS, path) ? PATHS[path]! : undefined;
    if (methods === undefined) throw new Refusal(404, 'expected /predict, /healthz or /metrics');
    if (!methods.includes(method))
      throw new Refusal(405, `expected ${methods.join(' or ')}`, { allow: methods.join(', ') });
    refuseForeign(request, this.settings.host);
    if (path === '/healthz')
      return json(this.#stopping ? 503 : 200, { status: this.#stopping ? 'stopping' : 'ok', model: this.#name });
    if (path === '/metrics')
      return {
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: this.#metrics.text(this.#batcher.waiting),
      };
    return this.#predict(request, signal, stage);
  }

  async #predict(request: IncomingMessage, signal: AbortSignal, stage: { reading: boolean }): Promise<Reply> {
    const { queue, classes } = this.settings;
    const images = await this.#bodies.use(request, signal, (body) => {
      stage.reading = false;
      return this.#decoder.decode(picturesOf(body, request.headers['content-type'] ?? '', queue), signal);
    });
    const answers = await this.#batcher.submit(images, signal);
    const predictions = answers.map((answer) => prediction(answer, classes));
    for (const { label, step } of answers) this.#metrics.answer(classes?.[label] ?? String(label), step);
    const [first] = predictions;
    // A client that sends one image finds its answer where it looks first.
    const single = predictions.length === 1 ? first : {};
    return { ...json(200, { model: this.#name, ...single, predictions }), images: predictions.length };
  }
}

/** An answer as the event `predict` of the command line has it. */
function prediction(
  { label, probability, probabilities, step, ...rest }: Answer,
  classes: readonly string[] | undefined,
): object {
  const name = classes?.[label] ?? null;
  return { class: name, label, probability, step, ...rest, probabilities };
}

function json(status: number, value: object): Reply {
  return { status, type: 'application/json', body: `${JSON.stringify(value)}\n` };
}

function refused(error: unknown): Reply {
  const refusal = refusalOf(error);
  const { status, message, headers, code } = refusal;
  const body = json(status, { error: { status, message, ...(code === undefined ? {} : { code }) } });
  return { ...body, headers, error: message };
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply, last: boolean): void {
  const { status, type, body, headers } = reply;
  if (response.destroyed) return;
  // A client that is too slow would be waited for again.
  const close = last || status === 408;
  response.writeHead(status, {
    'content-type': type ?? 'text/plain',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
    ...(close ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? '' : body);
  drain(request);
}
