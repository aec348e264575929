// One download from misbehaving servers, which are closed after each test.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { download, type DownloadOptions } from '../../../lib/data/download/download';
import { temporaryFolder } from './helpers';
import { content, md5, serve, serveProxy, type Behaviour, type Web } from './web';

const open: Web[] = [];

export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((web) => web.close()));
}

export async function start(behaviour: Behaviour, tls?: { key: string; cert: string }): Promise<Web> {
  const web = await serve(behaviour, tls);
  open.push(web);
  return web;
}

export async function startProxy(authorization?: string): Promise<Web> {
  const proxy = await serveProxy(authorization);
  open.push(proxy);
  return proxy;
}

interface Attempt {
  path: string;
  result: Promise<string>;
}

/** Downloads the servers' content with short times, free of the proxies of the machine. */
export function fetchFrom(web: Web | Web[], options: Partial<DownloadOptions> = {}): Attempt {
  const path = options.path ?? join(temporaryFolder(), 'sub', 'file.bin');
  const urls = [web].flat().map(({ url }) => `${url}file.bin`);
  return {
    path,
    result: download({
      urls,
      path,
      checksum: { algorithm: 'md5', hex: md5 },
      size: content.length,
      attempts: 3,
      stallMs: 300,
      backoffMs: 5,
      env: {},
      ...options,
    }),
  };
}

/** Exactly the file is there: right bytes, no part left over. */
export function expectFile(path: string): void {
  expect(Buffer.compare(readFileSync(path), content)).toBe(0);
  expect(readdirSync(join(path, '..'))).toEqual(['file.bin']);
}
