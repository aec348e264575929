// Who may ask: a page of another site in the user's browser may not.
import { isIPv4 } from 'node:net';
import { Refusal } from './refusal';

/** What of a request says where it comes from and where it goes. */
interface NamingRequest {
  headers: { host?: string | undefined; origin?: string | undefined };
}

/** Whether other machines cannot reach an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/**
 * Refuses with 403 what a page of another origin sends, and on loopback what is meant for another name: a site whose
 * name is made to lead here would count as the same origin.
 */
export function refuseForeign({ headers }: NamingRequest, listening: string): void {
  const { host = '', origin } = headers;
  if (origin !== undefined && origin !== `http://${host}`)
    throw new Refusal(403, 'expected a request of no page, or of one of this server');
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (isLoopback(listening) && !isLoopback(name))
    throw new Refusal(403, 'expected a request to localhost or to an address of this machine');
}
