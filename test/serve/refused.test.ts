// What the server refuses, by its status, and that it goes on.
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { ServedRequest } from '../../lib/serve';
import type { Network } from '../../lib/model/network';
import { until } from '../helpers/until';
import { json, picture, post, serving, type Body } from './helpers';

/** The answer to raw bytes over a connection of their own. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

/** Holds every forward pass until `release`; `busy` resolves when the first has begun. */
function hold(network: Network): { release: () => void; busy: Promise<void> } {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const { forward } = network;
  const busy = new Promise<void>((begun) => {
    network.forward = async (...given) => {
      begun();
      await gate;
      return forward.apply(network, given);
    };
  });
  return { release, busy };
}

/** Waits until so many images wait. */
async function queued(url: string, count: number): Promise<void> {
  const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
  await until(async () => (await metrics()).includes(`\nonespike_queue_images ${count}\n`), Infinity);
}

describe('what is refused, by its status', () => {
  const cases: [string, number, RegExp, (url: string) => Promise<Response>][] = [
    ['no picture', 400, /image 1/, (url) => fetch(`${url}/predict`, { method: 'POST', body: 'hello' })],
    [
      'a damaged picture',
      400,
      /image 1/,
      (url) => fetch(`${url}/predict`, { method: 'POST', body: new Uint8Array(picture(9).subarray(0, 40)) }),
    ],
    ['nothing', 400, /received nothing/, (url) => fetch(`${url}/predict`, { method: 'POST' })],
    [
      'no JSON',
      400,
      /expected JSON/,
      (url) => fetch(`${url}/predict`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }),
    ],
    [
      'JSON of another kind',
      400,
      /"images"/,
      (url) => fetch(`${url}/predict`, { method: 'POST', ...json({ picture: 'x' }) }),
    ],
    [
      'no base64',
      400,
      /base64 as image 2/,
      (url) => fetch(`${url}/predict`, { method: 'POST', ...json({ images: ['AAAA', '%%'] }) }),
    ],
    [
      'a form without a file',
      400,
      /a file/,
      (url) => {
        const form = new FormData();
        form.append('note', 'text');
        return fetch(`${url}/predict`, { method: 'POST', body: form });
      },
    ],
    [
      'a form without a boundary',
      400,
      /boundary/,
      (url) =>
        fetch(`${url}/predict`, { method: 'POST', headers: { 'content-type': 'multipart/form-data' }, body: 'x' }),
    ],
    [
      'a form that is cut',
      400,
      /last boundary/,
      (url) =>
        fetch(`${url}/predict`, {
          method: 'POST',
          headers: { 'content-type': 'multipart/form-data; boundary=b' },
          body: '--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nabc',
        }),
    ],
    [
      'a body that is too large',
      413,
      /at most 4096 bytes/,
      (url) => fetch(`${url}/predict`, { method: 'POST', body: new Uint8Array(5000) }),
    ],
    [
      'too many pixels',
      400,
      /from 1 to 10000 pixels/,
      (url) => fetch(`${url}/predict`, { method: 'POST', body: new Uint8Array(picture(0, 101)) }),
    ],
    [
      'too many images',
      413,
      /at most 4 images/,
      (url) =>
        fetch(`${url}/predict`, { method: 'POST', ...json({ images: ['AAAA', 'AAAA', 'AAAA', 'AAAA', 'AAAA'] }) }),
    ],
    [
      'a compressed body',
      415,
      /gzip/,
      (url) => fetch(`${url}/predict`, { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: 'x' }),
    ],
    ['another path', 404, /\/predict/, (url) => fetch(`${url}/other`)],
    ['another method', 405, /POST/, (url) => fetch(`${url}/predict`)],
    [
      'a page of another origin',
      403,
      /no page/,
      (url) => fetch(`${url}/predict`, { method: 'POST', headers: { origin: 'https://example.org' }, body: 'x' }),
    ],
  ];
  test.each(cases)('%s', async (_, status, message, send) => {
    await serving({ maxBytes: 4096, maxPixels: 10_000, queue: 4 }, async (url) => {
      const response = await send(url);
      expect(response.status).toBe(status);
      const { error } = (await response.json()) as Body;
      expect(error!.message).toMatch(message);
      // The server goes on.
      expect((await post(url, { body: new Uint8Array(picture(5, 8)) })).status).toBe(200);
    });
  });

  test('a request to another name that leads here', async () => {
    await serving({}, async (_url, _network, { port }) => {
      const answer = await raw(port, 'GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
      expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    });
  });

  test('a body that does not arrive in time is 408, an answer that does not come in time 503', async () => {
    const seen: ServedRequest[] = [];
    await serving({ timeoutMs: 150, onRequest: (served) => seen.push(served) }, async (url, network, { port }) => {
      const answer = await raw(port, 'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc');
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*had not arrived after 150 ms/);
      const { forward } = network;
      network.forward = async (...given) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return forward.apply(network, given);
      };
      const late = await post(url, { body: new Uint8Array(picture(5)) });
      expect(late.status).toBe(503);
      expect(late.headers.get('retry-after')).toBe('1');
      expect(late.body.error!.message).toBe('there was no answer after 150 ms');
    });
    expect(seen.map(({ status }) => status)).toEqual([408, 503]);
  });

  test('images beyond the queue are 503, and those in it are answered', async () => {
    await serving({ queue: 2, batch: 1 }, async (url, network) => {
      const { release, busy } = hold(network);
      const send = (): ReturnType<typeof post> => post(url, { body: new Uint8Array(picture(5)) });
      const first = send();
      // One is computed, two wait.
      await busy;
      const waiting = [send(), send()];
      await queued(url, 2);
      const refused = await send();
      expect(refused.status).toBe(503);
      expect(refused.body.error!.message).toBe('the queue is full: 2 of 2 images wait');
      release();
      for (const answer of [first, ...waiting]) expect((await answer).status).toBe(200);
    });
  });
});

test('a client that leaves takes its images out of the queue', async () => {
  const seen: ServedRequest[] = [];
  await serving({ queue: 2, batch: 1, onRequest: (served) => seen.push(served) }, async (url, network) => {
    const { release, busy } = hold(network);
    const first = post(url, { body: new Uint8Array(picture(5)) });
    await busy;
    const leaving = httpRequest(`${url}/predict`, { method: 'POST' });
    leaving.on('error', () => undefined);
    leaving.end(picture(6));
    await queued(url, 1);
    leaving.destroy();
    await queued(url, 0);
    expect(seen.filter(({ path }) => path === '/predict').map(({ status }) => status)).toEqual([499]);
    const rest = [post(url, { body: new Uint8Array(picture(7)) }), post(url, { body: new Uint8Array(picture(8)) })];
    release();
    for (const answer of [first, ...rest]) expect((await answer).status).toBe(200);
  });
});
