// A file from the network to disk: resumed, retried, verified by its checksum, and moved into place only when it is
// right.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { makeFolder } from '../../io/folders';
import { ioError } from '../../io/system-error';
import { moveInto, PartialFile, removeFile } from '../../io/write';
import { abortError, statOrNull, throwIfAborted } from '../files';
import type { Environment } from './proxy';
import { get, RequestFailure } from './request';

/** How far the download of one file is. */
export interface DownloadProgress {
  /** The path of the file. */
  path: string;
  /** The address that it comes from. */
  url: string;
  /** The number of bytes on disk so far, those of earlier attempts included. */
  received: number;
  /** The number of bytes of the whole file; undefined if it is not known. */
  total: number | undefined;
}

/** A failure after which the download waits and continues. */
export interface DownloadRetry {
  /** The address that failed. */
  url: string;
  /** What failed. */
  message: string;
  /** The number of the attempt to come, from 2. */
  attempt: number;
  /** The number of attempts at this address. */
  attempts: number;
  /** The pause before the next attempt, in milliseconds. */
  waitMs: number;
}

/** What a file must hash to, in lower-case hexadecimal digits. */
export interface Checksum {
  algorithm: 'md5' | 'sha256';
  hex: string;
}

export interface DownloadOptions {
  /** Addresses of the same file, in the order in which they are tried. */
  urls: string[];
  path: string;
  /** The checksum of the whole file. It guards against damage, which is why a resumed file may be trusted. */
  checksum: Checksum;
  /** Exact size in bytes, if known; never more than this is written. */
  size?: number | undefined;
  /**
   * Failed attempts in a row at one address before the next one is tried. Default 5. An attempt that brought data
   * starts the count again.
   */
  attempts?: number | undefined;
  /** Longest silence in milliseconds. Default 30,000. */
  stallMs?: number | undefined;
  /** Pause after the first failure in milliseconds; doubles up to 30 s. Default 1000. */
  backoffMs?: number | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  onRetry?: ((retry: DownloadRetry) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Default `process.env`: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY. */
  env?: Environment | undefined;
  /** Extra certificate authority (PEM). */
  ca?: string | undefined;
}

/**
 * Bytes that an attempt must receive to count as progress, so that a server which sends a byte per connection does not
 * keep us for ever.
 */
const PROGRESS_BYTES = 65_536;
const DEFAULT_STALL_MS = 30_000;
/** Where a file of unknown size stops. */
const LARGEST_UNKNOWN = 2 ** 32;

/** Errors: ERR_ARG for anything but an http or https address. */
export function checkAddress(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^https?:\/\//.test(value) || !URL.canParse(value))
    throw expected('an http or https address', name, value);
  return value;
}

export async function hashOf(path: string, algorithm: Checksum['algorithm'], signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm);
  try {
    for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `reading ${path}`);
    throw ioError('read', path, error);
  }
  return hash.digest('hex');
}

/**
 * Where the body of the response belongs in the file; throws if the response is not usable. `have` bytes are on disk.
 */
function bodyOffset(response: IncomingMessage, have: number): number {
  const status = response.statusCode ?? 0;
  const encoding = response.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new RequestFailure(`the server sends content-encoding ${encoding}`, true);
  if (status === 200) return 0; // the whole file, though a part may have been asked for
  if (status === 206) {
    const range = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '');
    if (range !== null && Number(range[1]) === have) return have;
    throw new RequestFailure('the server sends another range than asked for', false);
  }
  // Worth asking again: too early, too many requests, timeouts and everything that is the server's own trouble.
  throw new RequestFailure(`the server answered ${status}`, status < 500 && ![408, 425, 429].includes(status));
}

async function writeBody(
  response: IncomingMessage,
  file: PartialFile,
  offset: number,
  url: string,
  options: DownloadOptions,
): Promise<void> {
  const most = options.size ?? LARGEST_UNKNOWN;
  const announced = response.headers['content-length'];
  const total = options.size ?? (announced === undefined ? undefined : offset + Number(announced));
  let received = offset;
  options.onProgress?.({ path: options.path, url, received, total });
  const stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  const watch = setTimeout(() => response.destroy(new RequestFailure(`no data for ${stallMs} ms`, false)), stallMs);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      watch.refresh();
      if (received + chunk.length > most)
        throw new RequestFailure(`the server sends more than the expected ${most} bytes`, true);
      await file.write(chunk, received);
      received += chunk.length;
      options.onProgress?.({ path: options.path, url, received, total });
    }
  } finally {
    clearTimeout(watch);
  }
  if (options.size !== undefined && received !== options.size)
    throw new RequestFailure(`the server sends ${received} bytes of ${options.size}`, false);
}

const NAMES = { md5: 'MD5', sha256: 'SHA-256' } as const;

/** What came is not the file. */
class WrongFile extends RequestFailure {}

type Outcome = { done: true } | { done: false; failure: RequestFailure; gained: number };

/** One attempt: continues the part file or starts it, and verifies it when the body is complete. */
async function attemptOnce(url: string, part: string, options: DownloadOptions): Promise<Outcome> {
  let have = (await statOrNull(part))?.size ?? 0;
  if (options.size !== undefined && have > options.size) {
    await removeFile(part);
    have = 0;
  }
  let resumed = have > 0;
  let failure: RequestFailure | undefined;
  if (have === 0 || have !== options.size) {
    const file = await PartialFile.open(part, have > 0);
    let response: IncomingMessage | undefined;
    try {
      response = await get(url, {
        headers: {
          'user-agent': 'onespike',
          accept: '*/*',
          'accept-encoding': 'identity',
          ...(have > 0 ? { range: `bytes=${have}-` } : {}),
        },
        stallMs: options.stallMs ?? DEFAULT_STALL_MS,
        env: options.env ?? process.env,
        ca: options.ca,
        signal: options.signal,
      });
      // 416: nothing lies beyond what we have. It is whole, which the checksum decides, or useless.
      if (!(response.statusCode === 416 && resumed)) {
        const offset = bodyOffset(response, have);
        if (offset === 0) {
          await file.restart();
          resumed = false;
          have = 0;
        }
        await writeBody(response, file, offset, url, options);
      }
      await file.flush();
    } catch (error) {
      if (options.signal?.aborted) throw abortError(options.signal, `the download of ${options.path}`);
      if (error instanceof OneSpikeError) throw error;
      failure =
        error instanceof RequestFailure
          ? error
          : new RequestFailure((error as NodeJS.ErrnoException).code ?? (error as Error).message, false, {
              cause: error,
            });
    } finally {
      response?.destroy();
      await file.close();
    }
  }
  if (failure !== undefined) return { done: false, failure, gained: ((await statOrNull(part))?.size ?? 0) - have };

  const { algorithm, hex } = options.checksum;
  const found = await hashOf(part, algorithm, options.signal);
  if (found === hex) return { done: true };
  await removeFile(part);
  // The beginning may have come from elsewhere; only a file that this address sent as a whole speaks against the
  // address.
  return {
    done: false,
    failure: new WrongFile(`the file has the ${NAMES[algorithm]} ${found} instead of ${hex}`, !resumed),
    gained: 0,
  };
}

/**
 * Downloads to `path`, by way of `path.part`, which survives failures and aborts so that the next call continues it.
 * Returns 'present' if the right file was there already, else 'downloaded'.
 *
 * Errors: ERR_IO if no address gives the file, ERR_FORMAT if the last one gives another file, ERR_ABORTED.
 */
export async function download(options: DownloadOptions): Promise<'present' | 'downloaded'> {
  const { urls, path, signal } = options;
  throwIfAborted(signal, `the download of ${path}`);
  const existing = await statOrNull(path);
  if (
    existing?.isFile() &&
    (options.size === undefined || existing.size === options.size) &&
    (await hashOf(path, options.checksum.algorithm, signal)) === options.checksum.hex
  )
    return 'present';
  await makeFolder(dirname(path));
  const part = `${path}.part`;
  const attempts = options.attempts ?? 5;
  const failures: string[] = [];
  let last: RequestFailure | undefined;
  for (const url of urls) {
    for (let failed = 0; ; ) {
      const outcome = await attemptOnce(url, part, options);
      if (outcome.done) {
        await moveInto(part, path);
        return 'downloaded';
      }
      last = outcome.failure;
      if (last.permanent) break;
      failed = outcome.gained >= PROGRESS_BYTES ? 1 : failed + 1;
      if (failed >= attempts) break;
      const waitMs = Math.min(30_000, (options.backoffMs ?? 1000) * 2 ** (failed - 1));
      options.onRetry?.({ url, message: last.message, attempt: failed + 1, attempts, waitMs });
      try {
        await sleep(waitMs, undefined, { signal });
      } catch {
        throw abortError(signal as AbortSignal, `the download of ${path}`);
      }
    }
    failures.push(`${url}: ${last?.message}`);
  }
  const code = last instanceof WrongFile ? 'ERR_FORMAT' : 'ERR_IO';
  throw new OneSpikeError(code, `Expected to download ${path} but received from ${failures.join('; from ')}`, {
    cause: last,
  });
}
