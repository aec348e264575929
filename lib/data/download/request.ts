// One GET over node:http(s): through a proxy if the environment says so, with redirects, stall timeout and abort.
import * as http from 'node:http';
import * as https from 'node:https';
import { isIP, type Socket } from 'node:net';
import * as tls from 'node:tls';

import { proxyAuthorization, proxyFor, type Environment } from './proxy';

export interface RequestOptions {
  headers: Record<string, string>;
  /** Longest silence in milliseconds until the header of the response has come. */
  stallMs: number;
  env: Environment;
  /** Extra certificate authority (PEM), e.g. of a company's proxy. */
  ca?: string | undefined;
  signal?: AbortSignal | undefined;
}

const MAX_REDIRECTS = 5;

/** A failure of the network or the server; `permanent` when asking the same address again is pointless. */
export class RequestFailure extends Error {
  constructor(
    message: string,
    readonly permanent: boolean,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

function stalled(stallMs: number): RequestFailure {
  return new RequestFailure(`no data for ${stallMs} ms`, false);
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));
const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** Opens a tunnel through the proxy and speaks TLS with the server at its end. */
function openTunnel(proxy: URL, target: URL, options: RequestOptions): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const authority = `${target.hostname}:${portOf(target)}`;
    const authorization = proxyAuthorization(proxy);
    const request = (proxy.protocol === 'https:' ? https : http).request({
      host: bareHost(proxy),
      port: portOf(proxy),
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) },
      agent: false,
      ...(options.ca === undefined ? {} : { ca: [...tls.rootCertificates, options.ca] }),
      signal: options.signal,
      timeout: options.stallMs,
    });
    request.on('timeout', () => request.destroy(stalled(options.stallMs)));
    request.on('error', reject);
    // A proxy that refuses with a body answers as to an ordinary request.
    const refuse = (status: number | undefined): void => {
      request.destroy();
      reject(new RequestFailure(`the proxy answered ${status} to CONNECT`, status === 403 || status === 407));
    };
    request.on('response', (response) => refuse(response.statusCode));
    request.on('connect', (response: http.IncomingMessage, socket: Socket) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        refuse(response.statusCode);
        return;
      }
      socket.setTimeout(0);
      const secure = tls.connect({
        socket,
        host: bareHost(target),
        // A name to ask for by SNI may not be an address.
        servername: isIP(bareHost(target)) === 0 ? target.hostname : '',
        ALPNProtocols: ['http/1.1'],
        ...(options.ca === undefined ? {} : { ca: [...tls.rootCertificates, options.ca] }),
      });
      secure.setTimeout(options.stallMs, () => secure.destroy(stalled(options.stallMs)));
      secure.once('secureConnect', () => {
        secure.setTimeout(0);
        resolve(secure);
      });
      secure.once('error', reject);
    });
    request.end();
  });
}

async function requestOnce(url: URL, options: RequestOptions): Promise<http.IncomingMessage> {
  const proxy = proxyFor(url, options.env);
  const tunnel = proxy !== null && url.protocol === 'https:' ? await openTunnel(proxy, url, options) : undefined;
  return new Promise((resolve, reject) => {
    const settings: https.RequestOptions = {
      headers: options.headers,
      agent: false,
      timeout: options.stallMs,
      signal: options.signal,
      ...(options.ca === undefined ? {} : { ca: [...tls.rootCertificates, options.ca] }),
    };
    let request: http.ClientRequest;
    if (tunnel !== undefined) {
      // TLS is spoken already; an agent, even the one that `agent: false` makes, would not ask createConnection.
      request = http.request(url.href.replace(/^https:/, 'http:'), {
        ...settings,
        agent: undefined,
        headers: { ...options.headers, host: url.host },
        createConnection: () => tunnel,
      });
    } else if (proxy !== null) {
      // A plain http request through a proxy carries the whole address.
      const authorization = proxyAuthorization(proxy);
      request = (proxy.protocol === 'https:' ? https : http).request({
        ...settings,
        host: bareHost(proxy),
        port: portOf(proxy),
        path: url.href,
        headers: {
          ...options.headers,
          host: url.host,
          ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }),
        },
      });
    } else {
      request = (url.protocol === 'https:' ? https : http).request(url, settings);
    }
    request.on('timeout', () => request.destroy(stalled(options.stallMs)));
    request.on('error', reject);
    request.on('response', (response) => {
      // From here on the reader of the body keeps the time: a slow disk is no silence of the server.
      request.setTimeout(0);
      resolve(response);
    });
    request.end();
  });
}

/**
 * The final response after at most five redirects. The caller consumes or destroys it. Throws RequestFailure or the
 * system's error.
 */
export async function get(address: string, options: RequestOptions): Promise<http.IncomingMessage> {
  let url = new URL(address);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      throw new RequestFailure(`the address ${url.href} is neither http nor https`, true);
    const response = await requestOnce(url, options);
    const location = response.headers.location;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined) return response;
    response.destroy();
    let next: URL;
    try {
      next = new URL(location, url);
    } catch (error) {
      throw new RequestFailure(`the server redirects to '${location.slice(0, 100)}', which is no address`, true, {
        cause: error,
      });
    }
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw new RequestFailure(`the server redirects from https to ${next.href}`, true);
    url = next;
  }
  throw new RequestFailure(`more than ${MAX_REDIRECTS} redirects`, true);
}
