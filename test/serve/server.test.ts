// The server: every way to send pictures, every limit, batches, metrics and the end.
import { decodeImage } from '../../lib/data';
import { answersOf } from '../../lib/serve/answers';
import type { Network } from '../../lib/model/network';
import { serve } from '../../lib/serve';
import { base64, classes, json, picture, post, serving, smallNetwork } from './helpers';

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
