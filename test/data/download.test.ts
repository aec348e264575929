import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { fetchDataset } from '../../lib/data';
import { fetchFiles } from '../../lib/data/download/fetch';
import { closeAll, expectFile, fetchFrom, start } from './support/download-helpers';
import { cleanUp, expectError, temporaryFolder } from './support/helpers';
import { broken, content, good, md5, sequence, serve, status, type Behaviour } from './support/web';

afterEach(closeAll);
afterAll(cleanUp);

describe('a good server', () => {
  test('one request, progress to the end, and nothing to do the second time', async () => {
    const web = await start(good);
    const seen: number[] = [];
    const { path, result } = fetchFrom(web, {
      onProgress: ({ received, total }) => seen.push(received, total as number),
    });
    expect(await result).toBe('downloaded');
    expectFile(path);
    expect(seen.slice(0, 2)).toEqual([0, content.length]);
    expect(seen.slice(-2)).toEqual([content.length, content.length]);
    expect(await fetchFrom(web, { path }).result).toBe('present');
    expect(web.requests).toEqual(['-']);
  });

  test('a wrong file in place is replaced, a part is continued, a junk part is dropped', async () => {
    const web = await start(good);
    const folder = temporaryFolder();
    const path = join(folder, 'file.bin');
    writeFileSync(path, 'something else');
    expect(await fetchFrom(web, { path }).result).toBe('downloaded');
    expectFile(path);

    const next = join(temporaryFolder(), 'file.bin');
    writeFileSync(`${next}.part`, content.subarray(0, 100_000));
    await fetchFrom(web, { path: next }).result;
    expectFile(next);

    const whole = join(temporaryFolder(), 'file.bin');
    writeFileSync(`${whole}.part`, content);
    await fetchFrom(web, { path: whole }).result;
    expectFile(whole);
    expect(web.requests).toEqual(['-', 'bytes=100000-']);

    const junk = join(temporaryFolder(), 'file.bin');
    writeFileSync(`${junk}.part`, Buffer.alloc(5000, 1));
    await fetchFrom(web, { path: junk }).result;
    expectFile(junk);
    expect(web.requests.slice(2)).toEqual(['bytes=5000-', '-']);

    const long = join(temporaryFolder(), 'file.bin');
    writeFileSync(`${long}.part`, Buffer.alloc(content.length + 1));
    await fetchFrom(web, { path: long }).result;
    expectFile(long);
  });

  test('without a known size, 416 for a whole part leads to the checksum', async () => {
    const web = await start(good);
    const path = join(temporaryFolder(), 'file.bin');
    writeFileSync(`${path}.part`, content);
    await fetchFrom(web, { path, size: undefined }).result;
    expectFile(path);
    expect(web.requests).toEqual([`bytes=${content.length}-`]);
  });
});

describe('servers that fail', () => {
  test('a cut connection is resumed where it broke', async () => {
    const web = await start(sequence(broken(90_000), broken(90_000), good));
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    expect(web.requests[0]).toBe('-');
    for (const range of web.requests.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  test('attempts that bring data do not use the attempts up', async () => {
    const web = await start(broken(70_000));
    const { path, result } = fetchFrom(web, { attempts: 2 });
    await result;
    expectFile(path);
    expect(web.requests.length).toBeGreaterThan(3);
  });

  test('a stalled body is given up and resumed', async () => {
    const web = await start(sequence(broken(50_000, true), good));
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    expect(web.requests).toEqual(['-', 'bytes=50000-']);
  });

  test('a server that never answers, and one that never sends', async () => {
    const silent = await start(() => undefined);
    await expectError(fetchFrom(silent, { attempts: 2 }).result, 'ERR_IO', /file\.bin: no data for 300 ms/);
    expect(silent.requests).toHaveLength(2);
    await expectError(fetchFrom(await start(broken(0, true)), { attempts: 1 }).result, 'ERR_IO', /no data for 300 ms/);
  });

  test('Range ignored: the file starts again', async () => {
    const web = await start(sequence(broken(90_000), (_request, response) => response.writeHead(200).end(content)));
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    const another = await start(
      sequence(broken(90_000), (request, response) => {
        if (request.headers.range === undefined) return good(request, response, 0);
        response
          .writeHead(206, { 'content-range': `bytes 5-${content.length - 1}/${content.length}` })
          .end(content.subarray(5));
      }),
    );
    await expectError(fetchFrom(another).result, 'ERR_IO', /another range/);
  });

  test('lies about the length', async () => {
    const short: Behaviour = (request, response) => {
      if (request.headers.range !== undefined) return good(request, response, 0);
      response.writeHead(200, { 'content-length': 1000 }).end(content.subarray(0, 1000));
    };
    const web = await start(short);
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    expect(web.requests).toEqual(['-', 'bytes=1000-']);
    const long = await start((_request, response) =>
      response.writeHead(200, { 'content-length': content.length + 9 }).end(Buffer.concat([content, Buffer.alloc(9)])),
    );
    await expectError(fetchFrom(long).result, 'ERR_IO', /more than the expected 300000 bytes/);
    expect(long.requests).toHaveLength(1);
    const endless = await start((_request, response) => {
      response.writeHead(200);
      const pour = (): void => {
        while (!response.destroyed && response.write(content));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    await expectError(fetchFrom(endless).result, 'ERR_IO', /more than the expected/);
  });

  test('wrong bytes are ERR_FORMAT, asked for once, and nothing is left', async () => {
    const wrong = Buffer.from(content);
    wrong[200_000]! ^= 1;
    const web = await start((_request, response) => response.writeHead(200).end(wrong));
    const { path, result } = fetchFrom(web);
    await expectError(
      result,
      'ERR_FORMAT',
      new RegExp(`file\\.bin: the file has the MD5 [0-9a-f]{32} instead of ${md5}`),
    );
    expect(web.requests).toHaveLength(1);
    expect(readdirSync(join(path, '..'))).toEqual([]);
    const portal = await start((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>please log in</html>'),
    );
    await expectError(fetchFrom(portal).result, 'ERR_IO', /sends 26 bytes of 300000/);
  });

  test('404 once and for all, 500 and 429 again', async () => {
    const gone = await start(status(404));
    await expectError(fetchFrom(gone).result, 'ERR_IO', /file\.bin: the server answered 404/);
    expect(gone.requests).toHaveLength(1);
    const web = await start(sequence(status(500), status(429), good));
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    const sick = await start(status(503));
    await expectError(fetchFrom(sick).result, 'ERR_IO', /503/);
    expect(sick.requests).toHaveLength(3);
  });

  test('compressed transfer is refused', async () => {
    const web = await start((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(content),
    );
    await expectError(fetchFrom(web).result, 'ERR_IO', /content-encoding gzip/);
  });

  test('no server at all', async () => {
    const web = await serve(good);
    await web.close();
    await expectError(fetchFrom(web).result, 'ERR_IO', /ECONNREFUSED/);
  });
});

describe('mirrors and redirects', () => {
  test('the next address continues what the first began', async () => {
    const first = await start(sequence(broken(120_000), status(404)));
    const second = await start(good);
    const { path, result } = fetchFrom([first, second]);
    await result;
    expectFile(path);
    expect(second.requests[0]).toMatch(/^bytes=[1-9]/);
  });

  test('the error names every address', async () => {
    const [first, second] = [await start(status(404)), await start(status(410))];
    const error = await expectError(fetchFrom([first, second]).result, 'ERR_IO', /answered 404/);
    expect(error.message).toContain(first.url);
    expect(error.message).toContain(second.url);
    expect(error.message).toContain('410');
  });

  test('redirects are followed, loops and nonsense are not', async () => {
    const target = await start(good);
    const web = await start((request, response) =>
      status(302, { location: request.url === '/hop' ? `${target.url}file.bin` : '/hop' })(request, response, 0),
    );
    const { path, result } = fetchFrom(web);
    await result;
    expectFile(path);
    await expectError(
      fetchFrom(await start(status(301, { location: '/again' }))).result,
      'ERR_IO',
      /more than 5 redirects/,
    );
    await expectError(
      fetchFrom(await start(status(301, { location: 'file:///etc/passwd' }))).result,
      'ERR_IO',
      /neither http nor https/,
    );
    await expectError(fetchFrom(await start(status(301, { location: 'http://' }))).result, 'ERR_IO', /no address/);
  });
});

describe('abort', () => {
  test('while the body comes: ERR_ABORTED, and the part remains for the next call', async () => {
    const web = await start(sequence(broken(100_000, true), good));
    const controller = new AbortController();
    const { path, result } = fetchFrom(web, {
      signal: controller.signal,
      stallMs: 10_000,
      onProgress: ({ received }) => received >= 100_000 && controller.abort(),
    });
    await expectError(result, 'ERR_ABORTED');
    expect(existsSync(path)).toBe(false);
    expect(readFileSync(`${path}.part`).length).toBe(100_000);
    await fetchFrom(web, { path }).result;
    expectFile(path);
    expect(web.requests).toEqual(['-', 'bytes=100000-']);
  });

  test('before the start, while waiting for an answer, and in a pause', async () => {
    await expectError(fetchFrom(await start(good), { signal: AbortSignal.abort() }).result, 'ERR_ABORTED');
    await expectError(
      fetchFrom(await start(() => undefined), { stallMs: 10_000, signal: AbortSignal.timeout(50) }).result,
      'ERR_ABORTED',
    );
    await expectError(
      fetchFrom(await start(status(500)), { backoffMs: 10_000, signal: AbortSignal.timeout(100) }).result,
      'ERR_ABORTED',
    );
  });
});

describe('the disk', () => {
  test('a folder in the way is ERR_IO', async () => {
    const web = await start(good);
    const folder = temporaryFolder();
    await mkdir(join(folder, 'file.bin.part'));
    await expectError(fetchFrom(web, { path: join(folder, 'file.bin') }).result, 'ERR_IO', /file\.bin\.part/);
    writeFileSync(join(folder, 'plain'), '');
    await expectError(fetchFrom(web, { path: join(folder, 'plain', 'file.bin') }).result, 'ERR_IO', /plain/);
  });
});

describe('data sets', () => {
  test('fetchFiles names the file in its progress', async () => {
    const web = await start(good);
    const directory = temporaryFolder();
    const seen = new Set<string>();
    const files = await fetchFiles(
      [
        { name: 'a.gz', md5, size: content.length },
        { name: 'b.gz', md5, size: content.length },
      ],
      [web.url.slice(0, -1)],
      directory,
      { env: {}, onProgress: ({ file, fileIndex, fileCount }) => seen.add(`${file} ${fileIndex}/${fileCount}`) },
    );
    expect([...seen]).toEqual(['a.gz 1/2', 'b.gz 2/2']);
    expect(files.map(({ status: state, bytes }) => [state, bytes])).toEqual([
      ['downloaded', content.length],
      ['downloaded', content.length],
    ]);
    expect(readdirSync(directory)).toEqual(['a.gz', 'b.gz']);
  });

  test('fetchDataset uses the mirrors and checks its arguments', async () => {
    const web = await start(status(404));
    const directory = temporaryFolder();
    process.env.no_proxy = '127.0.0.1';
    await expectError(
      fetchDataset('mnist', { directory, mirrors: [web.url] }),
      'ERR_IO',
      /train-images-idx3-ubyte\.gz: the server answered 404/,
    );
    expect(await fetchDataset('shapes')).toMatchObject({ name: 'shapes', files: [] });
    await expectError(fetchDataset('folder'), 'ERR_ARG', /your own/);
    await expectError(fetchDataset('cifar10', { mirrors: ['ftp://x/'] }), 'ERR_ARG', /mirrors\[0\]/);
    await expectError(fetchDataset('cifar10', { mirrors: [] }), 'ERR_ARG');
    await expectError(fetchDataset('cifar10', { miror: [] } as object), 'ERR_ARG', /did you mean 'mirrors'/);
    await expectError(fetchDataset('cifar10', { attempts: 0 }), 'ERR_ARG', /attempts/);
  });
});
