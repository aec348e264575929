// Who may read the live page: a browser of this machine that was given the URL, and no page of another origin.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** The paths of the page: itself, and its stream of events. */
export const paths = { page: '/', events: '/events' } as const;

/** Why a request is refused: the status of HTTP and a sentence. */
export interface Refusal {
  status: 401 | 403 | 404 | 405;
  reason: string;
}

/** The answer to a request that may not be answered, or undefined. */
export function refusalOf(request: IncomingMessage, token: string): Refusal | undefined {
  const { host, origin } = request.headers;
  // A name that an attacker's server resolves to this machine (DNS rebinding) is seen here.
  if (host === undefined || !isLoopback(host)) return refused(403, 'This page is for this machine alone.');
  if (origin !== undefined && origin !== `http://${host}`) return refused(403, 'Other pages may not read this one.');
  if (isForeign(request)) return refused(403, 'Other pages may not read this one.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return refused(405, 'This page can only be read.');
  const url = urlOf(request);
  if (url === undefined || !isToken(url.searchParams.get('token'), token))
    return refused(401, 'Open the URL that onespike has printed, with its token.');
  if (url.pathname !== paths.page && url.pathname !== paths.events) return refused(404, 'There is nothing here.');
  return undefined;
}

/** Errors: none; undefined for what is no path. */
export function urlOf({ url = '' }: IncomingMessage): URL | undefined {
  return url.startsWith('/') && !url.startsWith('//') && URL.canParse(url, 'http://localhost')
    ? new URL(url, 'http://localhost')
    : undefined;
}

function refused(status: Refusal['status'], reason: string): Refusal {
  return { status, reason };
}

/** The port may be another: that of a tunnel. */
function isLoopback(host: string): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/i.test(host);
}

/** Browsers say where a request comes from; from elsewhere only a person may come, who follows a link. */
function isForeign({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'none' || site === 'same-origin') return false;
  return headers['sec-fetch-mode'] !== 'navigate' || headers['sec-fetch-dest'] !== 'document';
}

function isToken(given: string | null, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Headers of every answer. Style sheet and script of the page are named by their hashes; nothing else is loaded or run.
 */
export function headersFor(styleHash: string, scriptHash: string): Record<string, string> {
  const policy = [
    "default-src 'none'",
    `style-src '${styleHash}'`,
    `script-src '${scriptHash}'`,
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
}
