// What the live page is made of: files that grow and are cut back, the states of a run, and who may read the page.
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Board } from '../../lib/pictures/live/board';
import { RunFollower } from '../../lib/pictures/live/follower';
import { WatchServer } from '../../lib/pictures/live/server';
import { Tail } from '../../lib/pictures/live/tail';
import { temporaryFolder } from '../helpers/command-line';
import { lockRun } from '../helpers/runs';
import { writeRun } from './support/run-folder';
import { epochs, metricsText } from './support/runs';

const folder = temporaryFolder();

describe('a file of lines', () => {
  const path = join(folder, 'lines');
  let tail: Tail;
  const next = async (): Promise<[string[], boolean]> => {
    const { lines, restarted } = await tail.read();
    return [lines, restarted];
  };
  beforeEach(() => {
    rmSync(path, { force: true });
    tail = new Tail(path);
  });

  test('gives each line once, whole', async () => {
    expect(await next()).toEqual([[], false]);
    writeFileSync(path, 'one\ntwo\nthr');
    expect(await next()).toEqual([['one', 'two'], false]);
    expect(await next()).toEqual([[], false]);
    appendFileSync(path, 'ee\n');
    expect(await next()).toEqual([['three'], false]);
  });

  test.each([
    ['shorter', 'one\n'],
    ['cut back and as long as before, with other lines', 'one\nTWO\n'],
    ['cut back and longer', 'one\nTWO\nthree\n'],
    ['empty', ''],
  ])('begins anew when it is %s', async (_name, text) => {
    writeFileSync(path, 'one\ntwo\n');
    await next();
    writeFileSync(path, text);
    expect(await next()).toEqual([[], true]);
    expect(await next()).toEqual([text.split('\n').slice(0, -1), false]);
  });

  test('is read in pieces, none of which is lost', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${'x'.repeat(i % 100)}`);
    writeFileSync(path, `${lines.join('\n')}\n`);
    const found: string[] = [];
    let pieces = 0;
    for (let more = true; more; pieces++) {
      const piece = await tail.read();
      found.push(...piece.lines);
      more = piece.more;
    }
    expect(found).toEqual(lines);
    expect(pieces).toBeGreaterThan(1);
  });
});

describe('a run', () => {
  const path = join(folder, 'run');
  const metrics = join(path, 'metrics.jsonl');
  let follower: RunFollower;
  const count = (): number => follower.data!.timeline.epochs.length;
  beforeEach(() => {
    rmSync(path, { recursive: true, force: true });
    follower = new RunFollower(path);
  });

  test('is waited for, followed while it goes on, and says how it stands', async () => {
    expect(await follower.poll()).toBe(false);
    expect([follower.state, follower.data]).toEqual(['waiting', undefined]);
    writeRun(path, epochs('ann', 2));
    lockRun(path, { pid: process.ppid, started: '' });
    expect(await follower.poll()).toBe(true);
    expect([follower.state, count()]).toEqual(['running', 2]);
    expect(await follower.poll()).toBe(false);
    appendFileSync(metrics, metricsText(epochs('snn', 1)));
    expect(await follower.poll()).toBe(true);
    expect(follower.data!.timeline.bands.map(({ name, epochs: long }) => [name, long])).toEqual([
      ['ANN', 2],
      ['SNN', 1],
    ]);
  });

  test('that was killed is told from one that was interrupted, and goes on where its file was cut back to', async () => {
    writeRun(path, epochs('ann', 4));
    // A process with the highest number that there can be is gone.
    lockRun(path, { pid: 2 ** 22 });
    await follower.poll();
    expect([follower.state, count()]).toEqual(['killed', 4]);
    rmSync(join(path, 'run.lock'));
    await follower.poll();
    expect(follower.state).toBe('interrupted');
    const [first, second] = readFileSync(metrics, 'utf8').split('\n') as [string, string];
    truncateSync(metrics, first.length + second.length + 2);
    appendFileSync(metrics, metricsText([{ ...epochs('ann', 3)[2]!, trainLoss: 7 }]));
    expect(await follower.poll()).toBe(true);
    expect(follower.data!.timeline.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(follower.data!.timeline.epochs[2]!.trainLoss).toBe(7);
  });

  test('with a damaged line keeps what is before it, and says which line it is', async () => {
    writeRun(path, epochs('ann', 2));
    appendFileSync(metrics, `{"event":"epoch"}\n${metricsText(epochs('snn', 1))}`);
    await follower.poll();
    await follower.poll();
    expect(count()).toBe(2);
    expect(follower.problem).toMatch(/line 3 of metrics\.jsonl/);
    writeFileSync(metrics, metricsText(epochs('ann', 3)));
    await follower.poll();
    expect([follower.problem, count()]).toEqual([null, 3]);
  });

  test('whose run.json is damaged is a problem that passes', async () => {
    writeRun(path, epochs('ann', 1));
    const info = readFileSync(join(path, 'run.json'));
    writeFileSync(join(path, 'run.json'), '{"format":1');
    await follower.poll();
    expect(follower.problem).toMatch(/Expected a run of format 1/);
    writeFileSync(join(path, 'run.json'), info);
    await follower.poll();
    expect([follower.problem, count()]).toEqual([null, 1]);
  });
});

test('of a folder the runs are shown that were written to last, and new ones come', async () => {
  const runs = join(folder, 'runs');
  const board = new Board([], [runs]);
  await board.refresh();
  expect(board.partsSince(0)['overview']).toContain('Waiting for the first run.');
  writeRun(join(runs, 'first'), epochs('ann', 1));
  writeRun(join(runs, '<b>second'), epochs('ann', 1));
  const { version } = board;
  expect(await board.refresh()).toBe(true);
  const parts = board.partsSince(version);
  expect(board.order).toHaveLength(3);
  expect(Object.values(parts).join('')).toContain('&lt;b&gt;second');
  expect(Object.values(parts).join('')).not.toContain('<b>');
  expect(parts['overview']).toContain('All runs');
  // Nothing new: nothing is drawn.
  expect(await board.refresh()).toBe(false);
  expect(board.partsSince(board.version)).toEqual({});
});

test('10,000 epochs are read once, and an epoch more is drawn without reading them again', async () => {
  const path = join(folder, 'long');
  const many = [...epochs('ann', 4000), ...epochs('snn', 6000)];
  writeRun(path, many);
  const board = new Board([path]);
  await board.refresh();
  expect(board.partsSince(-1)['run-1']!.length).toBeLessThan(1_000_000);
  const read = jest.spyOn(JSON, 'parse');
  appendFileSync(join(path, 'metrics.jsonl'), metricsText([{ ...many.at(-1)!, epoch: 6001 }]));
  await board.refresh();
  expect(read).toHaveBeenCalledTimes(1);
  read.mockRestore();
  expect(board.partsSince(-1)['run-1']).toContain('SNN, epoch 6001 of 6000');
});

describe('the server', () => {
  let server: WatchServer;
  let url: URL;
  beforeAll(async () => {
    writeRun(join(folder, 'served'), epochs('ann', 1));
    server = await WatchServer.start(new Board([join(folder, 'served')]));
    url = new URL(server.url);
  });
  afterAll(() => server.close());

  const answer = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(
        { host: url.hostname, port: url.port, path, method, headers, setHost: false },
        (response) => {
          response.destroy();
          resolve(response.statusCode);
        },
      );
      sent.on('error', reject).end();
    });
  const { host } = { host: '127.0.0.1' };
  const token = (): string => url.search;

  test('listens on this machine alone, and its URL holds a long token', () => {
    expect(url.hostname).toBe('127.0.0.1');
    expect(url.searchParams.get('token')).toMatch(/^[0-9a-f]{32}$/);
  });

  test.each([
    ['the page', () => `/${token()}`, { Host: host }, 'GET', 200],
    ['its stream', () => `/events${token()}`, { Host: host }, 'GET', 200],
    ['the page, by a tunnel from another port', () => `/${token()}`, { Host: 'localhost:8080' }, 'GET', 200],
    ['the page, by a link in another page', () => `/${token()}`, navigation('document'), 'GET', 200],
    ['no token', () => '/', { Host: host }, 'GET', 401],
    ['no token for the stream', () => '/events', { Host: host }, 'GET', 401],
    ['a wrong token', () => `/?token=${'0'.repeat(32)}`, { Host: host }, 'GET', 401],
    ['a part of the token', () => `/${token().slice(0, -1)}`, { Host: host }, 'GET', 401],
    ['another path', () => `/run.json${token()}`, { Host: host }, 'GET', 404],
    ['a path with dots', () => `/../../etc/passwd${token()}`, { Host: host }, 'GET', 404],
    ['an absolute URL', () => `http://127.0.0.1/${token()}`, { Host: host }, 'GET', 401],
    ['another name of this machine (DNS rebinding)', () => `/${token()}`, { Host: 'evil.example' }, 'GET', 403],
    ['a name that begins alike', () => `/${token()}`, { Host: '127.0.0.1.evil.example' }, 'GET', 403],
    ['another origin', () => `/${token()}`, { Host: host, Origin: 'http://evil.example' }, 'GET', 403],
    ['no origin at all, as a sandboxed frame has it', () => `/${token()}`, { Host: host, Origin: 'null' }, 'GET', 403],
    [
      'another port of this machine',
      () => `/events${token()}`,
      { Host: host, Origin: 'http://127.0.0.1:3000' },
      'GET',
      403,
    ],
    ['a picture in another page', () => `/${token()}`, navigation('image'), 'GET', 403],
    ['another method', () => `/${token()}`, { Host: host }, 'POST', 405],
  ])('answers %s', async (_name, path, headers, method, status) => {
    expect(await answer(path(), headers as Record<string, string>, method)).toBe(status);
  });

  function navigation(dest: string): Record<string, string> {
    const mode = dest === 'document' ? 'navigate' : 'no-cors';
    return { Host: '127.0.0.1', 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': dest };
  }

  test('sends a page that runs nothing but its own script', async () => {
    const { headers } = await fetch(server.url);
    const policy = headers.get('content-security-policy')!;
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^ ]+'; script-src 'sha256-[^ ]+'; img-src data:;/);
    expect(policy).not.toContain('unsafe');
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  test('a port that is in use is an error that says so', async () => {
    await expect(WatchServer.start(new Board([]), Number(url.port))).rejects.toMatchObject({
      code: 'ERR_IO',
      message: expect.stringContaining('another program uses it; choose one with --port'),
    });
  });

  test('survives pages that are closed, and ends while one is open', async () => {
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      await fetch(`${url.origin}/events${url.search}`, { signal: controller.signal });
      controller.abort();
    }
    const stream = await fetch(`${url.origin}/events${url.search}&since=-1`);
    const text = stream.text();
    await server.close();
    expect(await text).toMatch(
      /^retry: 1000\n\nid: \d+\nevent: parts\ndata: \{"order":\["overview","run-1"\].*\n\nevent: end\n/,
    );
    await expect(fetch(server.url)).rejects.toThrow();
  });
});
