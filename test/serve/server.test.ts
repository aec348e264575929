// The server: every way to send pictures, every limit, batches, metrics and the end.
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { decodeImage } from '../../lib/data';
import { answersOf } from '../../lib/model/answers';
import type { Network } from '../../lib/model/network';
import { serve, type ServedRequest } from '../../lib/serve';
import { classes, picture, serving, smallNetwork } from './helpers';

interface Prediction {
  class: string;
  label: number;
  probability: number;
  step: number;
  timesteps: number;
  probabilities: number[];
}
type Body = Prediction & { model: string; predictions: Prediction[]; error?: { message: string; code?: string } };

async function post(url: string, init: RequestInit): Promise<{ status: number; body: Body; headers: Headers }> {
  const response = await fetch(`${url}/predict`, { method: 'POST', ...init });
  return { status: response.status, body: (await response.json()) as Body, headers: response.headers };
}

/** The body of a request that sends raw bytes over a connection of its own, and what comes back. */
function raw(port: number, text: string | Buffer, end = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => (end ? socket.end(text) : socket.write(text)));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

const base64 = (bytes: Buffer): string => bytes.toString('base64');
const json = (value: unknown): RequestInit => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

test('one picture in a body, in JSON and in a form, several, and what the network itself answers', async () => {
  await serving({}, async (url, network) => {
    const pictures = [picture(10), picture(128, 8), picture(250, 40)];
    const pixels = await Promise.all(pictures.map((bytes) => decodeImage(bytes, [3, 8, 8], { name: 'picture' })));
    // The network is idle between requests.
    const { answers } = await answersOf(network, new Uint8Array(Buffer.concat(pixels)), { mode: 'snn' });
    const expected = answers.map(({ label, ...rest }) => ({ class: classes[label], label, ...rest }));
    const form = new FormData();
    for (const [n, bytes] of pictures.entries()) form.append('image', new Blob([new Uint8Array(bytes)]), `${n}.png`);
    form.append('note', 'no picture');

    const all: RequestInit[] = [
      json({ images: pictures.map(base64) }),
      json({ images: pictures.map((bytes) => `data:image/png;base64,${base64(bytes)}`) }),
      { body: form },
    ];
    for (const init of all) {
      const { status, body } = await post(url, init);
      expect(status).toBe(200);
      expect(body).toEqual({ model: 'small', predictions: expected });
    }
    const single: RequestInit[] = [
      { body: new Uint8Array(pictures[1]!) },
      { body: new Uint8Array(pictures[1]!), headers: { 'content-type': 'image/png' } },
      json({ image: base64(pictures[1]!) }),
    ];
    for (const init of single) {
      const { body } = await post(url, init);
      expect(body).toEqual({ model: 'small', ...expected[1], predictions: [expected[1]] });
    }
  });
});

test('concurrent requests are computed together, and each gets its own answer', async () => {
  const network = await smallNetwork();
  const { forward } = network;
  const batches: number[] = [];
  network.forward = (pixels, options) => {
    batches.push(pixels.length / 192);
    return forward.call(network, pixels, options);
  };
  const server = await serve(network, { classes, batch: 16 });
  const values = Array.from({ length: 60 }, (_, i) => 4 * i);
  const bodies = await Promise.all(
    values.map(async (value) => (await post(server.url, { body: new Uint8Array(picture(value)) })).body),
  );
  const alone = await Promise.all(
    values.map(async (value) => (await post(server.url, { body: new Uint8Array(picture(value)) })).body),
  );
  expect(bodies).toEqual(alone);
  expect(Math.max(...batches)).toBeGreaterThan(1);
  expect(Math.max(...batches)).toBeLessThanOrEqual(16);
  expect(batches.reduce((sum, count) => sum + count, 0)).toBe(120);
  expect(await server.close()).toEqual({ requests: 120, images: 120 });
  await network.dispose();
});

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
      let release = (): void => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const { forward } = network;
      network.forward = async (...given) => {
        await gate;
        return forward.apply(network, given);
      };
      const send = (): ReturnType<typeof post> => post(url, { body: new Uint8Array(picture(5)) });
      const first = send();
      // One is computed, two wait.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const waiting = [send(), send()];
      await new Promise((resolve) => setTimeout(resolve, 100));
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
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { forward } = network;
    network.forward = async (...given) => {
      await gate;
      return forward.apply(network, given);
    };
    const first = post(url, { body: new Uint8Array(picture(5)) });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const leaving = httpRequest(`${url}/predict`, { method: 'POST' });
    leaving.on('error', () => undefined);
    leaving.end(picture(6));
    await new Promise((resolve) => setTimeout(resolve, 100));
    leaving.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.map(({ status }) => status)).toEqual([499]);
    const rest = [post(url, { body: new Uint8Array(picture(7)) }), post(url, { body: new Uint8Array(picture(8)) })];
    release();
    for (const answer of [first, ...rest]) expect((await answer).status).toBe(200);
  });
});

test('a network that fails is 500 without its details, and the next request is answered', async () => {
  await serving({}, async (url, network) => {
    const { forward } = network;
    network.forward = () => Promise.reject(new Error('secret'));
    const failed = await post(url, { body: new Uint8Array(picture(5)) });
    expect([failed.status, failed.body.error!.message]).toEqual([500, 'the server failed']);
    network.forward = forward;
    expect((await post(url, { body: new Uint8Array(picture(5)) })).status).toBe(200);
  });
});

test('health and metrics', async () => {
  await serving({}, async (url) => {
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok', model: 'small' });
    await post(url, json({ images: [base64(picture(1)), base64(picture(2))] }));
    await post(url, { body: 'no picture' });
    await fetch(`${url}/nowhere/${'x'.repeat(50)}`);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    expect(text).toMatch(/^onespike_info\{model="small",version="[^"]+",backend="cpu",mode="snn"\} 1$/m);
    expect(text).toContain('onespike_requests_total{path="/predict",method="POST",status="200"} 1\n');
    expect(text).toContain('onespike_requests_total{path="/predict",method="POST",status="400"} 1\n');
    expect(text).toContain('onespike_requests_total{path="other",method="other",status="404"} 1\n');
    expect(text).toContain('onespike_images_total 2\n');
    expect(text).toContain('onespike_batch_images_bucket{le="1"} 0\nonespike_batch_images_bucket{le="2"} 1\n');
    expect(text).toContain('onespike_decision_step_count 2\n');
    expect(text).toContain('onespike_queue_images 0\n');
    const classed = [...text.matchAll(/^onespike_predictions_total\{class="\w+"\} (\d+)$/gm)];
    expect(classed.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(2);
    // Every line is a comment or a sample, and every sample has a type.
    for (const line of text.trimEnd().split('\n')) {
      const name = /^(?:# (?:HELP|TYPE) )?([a-z_]+?)(?:_bucket|_sum|_count)?(?:[{ ].*)$/.exec(line)?.[1];
      expect(text).toContain(`# TYPE ${name} `);
    }
  });
});

test('closing answers what has begun and takes nothing more', async () => {
  const network: Network = await smallNetwork();
  const server = await serve(network, { classes });
  const { forward } = network;
  network.forward = async (...given) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return forward.apply(network, given);
  };
  const begun = post(server.url, { body: new Uint8Array(picture(5)) });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const closed = server.close();
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  const { status, headers } = await begun;
  expect([status, headers.get('connection')]).toEqual([200, 'close']);
  expect(await closed).toEqual({ requests: 1, images: 1 });
  await network.dispose();
});

test('a port that is taken, and options that are none', async () => {
  await serving({}, async (_url, network, { port }) => {
    await expect(serve(network, { port })).rejects.toMatchObject({ code: 'ERR_IO' });
    await expect(serve(network, { queue: 0 })).rejects.toMatchObject({ code: 'ERR_ARG' });
    await expect(serve(network, { batchSize: 3 } as object)).rejects.toMatchObject({ code: 'ERR_ARG' });
  });
});
