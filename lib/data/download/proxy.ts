// Which proxy, if any, the environment asks for: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, lower case first as
// curl does.
import { OneSpikeError } from '../../errors';

export type Environment = Record<string, string | undefined>;

function variable(env: Environment, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

/**
 * NO_PROXY: names separated by commas or spaces; `*` is all, `example.org` and `.example.org` cover subdomains, a port
 * may follow.
 */
function isExempt(url: URL, list: string | undefined): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return (list ?? '')
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', entryPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      // An IPv6 address has colons of its own: it is meant as a whole unless it stands in brackets.
      const bare = entry.includes(']')
        ? name.replace(/^\[|\]$/g, '')
        : entry.split(':').length > 2
          ? entry.toLowerCase()
          : name.replace(/^\*?\./, '');
      if (entryPort !== undefined && bare !== entry.toLowerCase() && entryPort !== port) return false;
      return host === bare || host.endsWith(`.${bare}`);
    });
}

/** The proxy for an address, or null. Errors: ERR_ARG if the variable holds no http or https address. */
export function proxyFor(url: URL, env: Environment): URL | null {
  if (isExempt(url, variable(env, 'NO_PROXY'))) return null;
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const value = variable(env, name) ?? variable(env, 'ALL_PROXY');
  if (value === undefined) return null;
  try {
    const proxy = new URL(value.includes('://') ? value : `http://${value}`);
    if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy;
  } catch {
    // Not an address at all: the same error. The value is not repeated, for it may hold a password.
  }
  throw new OneSpikeError('ERR_ARG', `Expected an http:// or https:// address for ${name} but received something else`);
}

/** The value of Proxy-Authorization, if the address holds a user. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined;
  const plain = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(plain).toString('base64')}`;
}
