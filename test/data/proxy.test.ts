import { proxyAuthorization, proxyFor } from '../../lib/data/download/proxy';

const proxyOf = (address: string, env: Record<string, string>): string | undefined =>
  proxyFor(new URL(address), env)?.href;

test('the variable of the scheme, lower case first, then ALL_PROXY', () => {
  expect(proxyOf('http://a.org/x', {})).toBeUndefined();
  expect(proxyOf('http://a.org/x', { HTTP_PROXY: 'http://p:1' })).toBe('http://p:1/');
  expect(proxyOf('https://a.org/x', { HTTP_PROXY: 'http://p:1' })).toBeUndefined();
  expect(proxyOf('https://a.org/x', { HTTPS_PROXY: 'http://p:1', https_proxy: 'http://q:2' })).toBe('http://q:2/');
  expect(proxyOf('https://a.org/x', { all_proxy: 'p:3128' })).toBe('http://p:3128/');
  expect(proxyOf('https://a.org/x', { https_proxy: '' })).toBeUndefined();
});

test('NO_PROXY', () => {
  const exempt = (address: string, list: string): boolean =>
    proxyOf(address, { HTTP_PROXY: 'http://p:1', HTTPS_PROXY: 'http://p:1', NO_PROXY: list }) === undefined;
  expect(exempt('http://a.org', '*')).toBe(true);
  expect(exempt('http://a.org', 'b.org, a.org')).toBe(true);
  expect(exempt('http://www.a.org', 'a.org')).toBe(true);
  expect(exempt('http://www.a.org', '.a.org')).toBe(true);
  expect(exempt('http://www.a.org', '*.a.org')).toBe(true);
  expect(exempt('http://nota.org', 'a.org')).toBe(false);
  expect(exempt('http://A.org:8080', 'a.org:8080')).toBe(true);
  expect(exempt('http://a.org:8081', 'a.org:8080')).toBe(false);
  expect(exempt('https://a.org', 'a.org:443')).toBe(true);
  expect(exempt('http://127.0.0.1:5', '127.0.0.1')).toBe(true);
  expect(exempt('http://[::1]:5', '::1')).toBe(true);
  expect(exempt('http://[::1]:5', '[::1]:5')).toBe(true);
  expect(exempt('http://[::1]:5', '[::1]:6')).toBe(false);
  expect(exempt('http://a.org', '')).toBe(false);
});

test('credentials and nonsense', () => {
  expect(proxyAuthorization(new URL('http://p:1'))).toBeUndefined();
  expect(proxyAuthorization(new URL('http://user:p%40ss@p:1'))).toBe(
    `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
  );
  for (const value of ['socks5://p:1', 'http://', 'secret:word@::']) {
    try {
      proxyOf('http://a.org', { HTTP_PROXY: value });
      throw new Error('accepted');
    } catch (error) {
      expect((error as { code?: string }).code).toBe('ERR_ARG');
      expect((error as Error).message).not.toContain('secret');
    }
  }
});
