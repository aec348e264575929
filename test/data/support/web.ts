// A local web server that misbehaves on request, and a proxy, for the download tests.
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';

export const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i + (i >> 7)) & 255));
export const md5 = createHash('md5').update(content).digest('hex');

/** What the server does with the n-th request it gets (from 0). */
export type Behaviour = (request: http.IncomingMessage, response: http.ServerResponse, n: number) => void;

export interface Web {
  url: string;
  /** `range` header of each request, or '-' without. */
  requests: string[];
  /** Host header of each request. */
  hosts: (string | undefined)[];
  close(): Promise<void>;
}

async function listen(server: http.Server, scheme: string, extra: object): Promise<Web> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests: [],
    hosts: [],
    ...extra,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export async function serve(behaviour: Behaviour, tls?: { key: string; cert: string }): Promise<Web> {
  const requests: string[] = [];
  const hosts: (string | undefined)[] = [];
  const handler = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    requests.push(request.headers.range ?? '-');
    hosts.push(request.headers.host);
    behaviour(request, response, requests.length - 1);
  };
  return listen(
    tls === undefined ? http.createServer(handler) : https.createServer(tls, handler),
    tls === undefined ? 'http' : 'https',
    { requests, hosts },
  );
}

/** Serves `content` as a good server does, ranges included. */
export const good: Behaviour = (request, response) => {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const start = range === null ? 0 : Number(range[1]);
  if (start >= content.length) response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  else if (range !== null)
    response
      .writeHead(206, {
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
        'content-length': content.length - start,
      })
      .end(content.subarray(start));
  else response.writeHead(200, { 'content-length': content.length }).end(content);
};

/** Behaves as the good one, but the connection dies (`stall`: falls silent) after `bytes` of the body. */
export const broken =
  (bytes: number, stall = false): Behaviour =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': content.length - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    response.write(content.subarray(start, start + bytes), () => {
      // A little later, for a connection that is reset takes what is still on its way with it.
      if (!stall) setTimeout(() => response.destroy(), 30);
    });
  };

export const status =
  (code: number, headers: http.OutgoingHttpHeaders = {}): Behaviour =>
  (_request, response) => {
    response.writeHead(code, headers).end('<html>sorry</html>');
  };

/** First this, then that. */
export const sequence =
  (...behaviours: Behaviour[]): Behaviour =>
  (request, response, n) =>
    behaviours[Math.min(n, behaviours.length - 1)]!(request, response, n);

/**
 * A proxy for plain requests and CONNECT tunnels. `authorization`: refuses with 407 without this Proxy-Authorization.
 * `requests` holds what it was asked for.
 */
export async function serveProxy(authorization?: string): Promise<Web> {
  const requests: string[] = [];
  const refused = (request: http.IncomingMessage): boolean =>
    authorization !== undefined && request.headers['proxy-authorization'] !== authorization;
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (refused(request)) {
      response.writeHead(407).end();
      return;
    }
    const onward = http.request(request.url as string, { headers: request.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(response);
    });
    onward.end();
  });
  server.on('connect', (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
    requests.push(`CONNECT ${request.url}`);
    if (refused(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const [host, port] = (request.url as string).split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return listen(server, 'http', { requests });
}
