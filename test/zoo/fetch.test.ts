// Models from a web server: checksum, name, what is kept and what is not.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Network } from '../../lib/model/network';
import { fetchModel, findModel, listModels } from '../../lib/zoo';
import { cliProcess, temporaryFolder } from '../helpers/command-line';
import { smallNetwork } from '../serve/helpers';

const folder = temporaryFolder();
const data = join(folder, 'data');
let server: Server;
let url: string;
let bytes: Buffer;
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const before = { ...process.env };

beforeAll(async () => {
  process.env.ONESPIKE_DATA = data;
  for (const name of ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY']) delete process.env[name];
  const network = await smallNetwork();
  await network.save(join(folder, 'small.safetensors'), { classes: '["a","b","c"]' });
  await network.dispose();
  bytes = readFileSync(join(folder, 'small.safetensors'));
  server = createServer((request, response) => {
    if (request.url!.startsWith('/files/')) response.end(request.url!.includes('junk') ? Buffer.from('junk') : bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files`;
});
afterAll(async () => {
  Object.assign(process.env, before);
  await new Promise((resolve) => server.close(resolve));
});

test('a model is fetched once, listed, found by name and opened', async () => {
  const options = { sha256: sha256(bytes).toUpperCase() };
  const path = join(data, 'models/small.safetensors');
  expect(await fetchModel(`${url}/small.safetensors?download=1`, options)).toEqual({
    name: 'small',
    path,
    source: 'fetched',
    status: 'downloaded',
    card: undefined,
  });
  expect((await fetchModel(`${url}/small.safetensors`, options)).status).toBe('present');
  expect((await listModels()).filter(({ source }) => source === 'fetched')).toMatchObject([{ name: 'small', path }]);
  expect(await findModel('small')).toMatchObject({ path });
  expect(await findModel('../small')).toBeUndefined();
  const network = await Network.open(path, { backend: 'cpu', threads: 1 });
  await network.dispose();
});

test('another file than the checksum says is not kept, nor one that is no model', async () => {
  const wrong = fetchModel(`${url}/other.safetensors`, { sha256: '0'.repeat(64) });
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining('SHA-256') });
  const junk = fetchModel(`${url}/junk`, { sha256: sha256(Buffer.from('junk')) });
  await expect(junk).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  for (const name of ['other', 'junk']) expect(existsSync(join(data, `models/${name}.safetensors`))).toBe(false);
});

test('a name keeps its file', async () => {
  await fetchModel(`${url}/small.safetensors`, { sha256: sha256(bytes) });
  const other = fetchModel(`${url}/junk`, { sha256: sha256(Buffer.from('junk')), name: 'small' });
  await expect(other).rejects.toMatchObject({ code: 'ERR_STATE' });
  expect(readFileSync(join(data, 'models/small.safetensors'))).toEqual(bytes);
});

test.each<[string, object]>([
  ['ftp://example.org/x.safetensors', { sha256: '0'.repeat(64) }],
  ['http://127.0.0.1/x.safetensors', { sha256: 'abc' }],
  ['http://127.0.0.1/x.safetensors', {}],
  ['http://127.0.0.1/x.safetensors', { sha256: '0'.repeat(64), name: '../x' }],
  ['http://127.0.0.1/', { sha256: '0'.repeat(64) }],
])('%s with %j is refused', async (address, options) => {
  await expect(fetchModel(address, options as { sha256: string })).rejects.toMatchObject({ code: 'ERR_ARG' });
});

test('the command fetches, and predict takes the name', async () => {
  const env = { ONESPIKE_DATA: data, NO_PROXY: '127.0.0.1' };
  const given = ['models', 'fetch', `${url}/small.safetensors`, '--name', 'mine', '--sha256'];
  const { status, events } = await cliProcess([...given, sha256(bytes), '--json'], { env });
  expect(status).toBe(0);
  expect(events()).toMatchObject([{ event: 'model', name: 'mine', status: 'downloaded', source: 'fetched' }]);
  const wrong = await cliProcess([...given, 'abc'], { env });
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('64 hexadecimal digits')]);
});
