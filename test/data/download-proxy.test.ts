import { createServer, type AddressInfo } from 'node:net';

import { selfSigned } from './support/certificate';
import { closeAll, expectFile, fetchFrom, start, startProxy } from './support/download-helpers';
import { cleanUp, expectError } from './support/helpers';
import { broken, good, sequence, status } from './support/web';

afterEach(closeAll);
afterAll(cleanUp);

describe('proxies and TLS', () => {
  const tls = selfSigned();

  test('plain requests go through HTTP_PROXY unless exempt', async () => {
    const web = await start(good);
    const proxy = await startProxy();
    const { path, result } = fetchFrom(web, { env: { HTTP_PROXY: proxy.url } });
    await result;
    expectFile(path);
    expect(proxy.requests).toEqual([`GET ${web.url}file.bin`]);
    expect(web.hosts).toEqual([new URL(web.url).host]);
    await fetchFrom(web, { env: { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.1' } }).result;
    expect(proxy.requests).toHaveLength(1);
  });

  test('https goes through a tunnel, with the password of the address', async () => {
    const web = await start(sequence(broken(100_000), good), tls);
    const proxy = await startProxy(`Basic ${Buffer.from('user:word').toString('base64')}`);
    const env = { https_proxy: proxy.url.replace('http://', 'http://user:word@') };
    const { path, result } = fetchFrom(web, { env, ca: tls.cert });
    await result;
    expectFile(path);
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${new URL(web.url).host}`]));
    const error = await expectError(
      fetchFrom(web, { env: { https_proxy: proxy.url.replace('http://', 'http://user:secret@') }, ca: tls.cert })
        .result,
      'ERR_IO',
      /proxy answered 407/,
    );
    expect(error.message).not.toContain('secret');
  });

  test('https without a proxy; a certificate that nobody vouches for is refused', async () => {
    const web = await start(good, tls);
    const { path, result } = fetchFrom(web, { ca: tls.cert });
    await result;
    expectFile(path);
    await expectError(fetchFrom(web, { attempts: 1 }).result, 'ERR_IO', /DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED/);
    const down = await start(status(302, { location: 'http://127.0.0.1:1/' }), tls);
    await expectError(fetchFrom(down, { ca: tls.cert }).result, 'ERR_IO', /from https to http/);
  });

  test.each([
    ['before it stands', ''],
    ['before TLS is spoken', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('a tunnel that falls silent %s', async (_when, answer) => {
    const proxy = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write(answer));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    await expectError(
      fetchFrom(await start(good, tls), { env, ca: tls.cert, attempts: 2 }).result,
      'ERR_IO',
      /no data for 300 ms/,
    );
    await new Promise((resolve) => proxy.close(resolve));
  });
});
