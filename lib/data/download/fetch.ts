// The official files of a data set, downloaded and verified.
import { join } from 'node:path';

import { checkInteger, checkOneOf, checkOptions, checkSignal, checkString, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { directoryOf } from '../directory';
import { datasetNames, sources, type DatasetName } from '../sets';
import type { DataSource, SourceFile } from '../sets/source';
import { checkAddress, download, type DownloadProgress, type DownloadRetry } from './download';
import type { Environment } from './proxy';

/** How far the download of a data set is. */
export interface FetchProgress extends DownloadProgress {
  /** The base name of the file. */
  file: string;
  /** The number of the file, counted from 1. */
  fileIndex: number;
  /** The number of files. */
  fileCount: number;
}

/** Options of `datasets.fetch`. */
export interface FetchOptions {
  /** Where to put the files. Default: `$ONESPIKE_DATA/NAME`, or `~/.cache/onespike/NAME`. */
  directory?: string | undefined;
  /** Addresses of folders that hold the files, in place of the official ones. */
  mirrors?: string[] | undefined;
  /** Failed attempts in a row at one address before the next one is tried. Default 5. */
  attempts?: number | undefined;
  /** Longest silence of a server, in milliseconds. Default 30,000. */
  stallMs?: number | undefined;
  /** Pause after the first failure, in milliseconds; doubles. Default 1000. */
  backoffMs?: number | undefined;
  /** Extra certificate authority (PEM), e.g. of a company's proxy. */
  ca?: string | undefined;
  /** The function that is told of every piece that has arrived. */
  onProgress?: ((progress: FetchProgress) => void) | undefined;
  /** The function that is told of every failure before the pause that follows it. */
  onRetry?: ((retry: DownloadRetry) => void) | undefined;
  /** The signal that stops the download, which a later call continues. */
  signal?: AbortSignal | undefined;
}

/** What `datasets.fetch` has done. */
export interface FetchResult {
  /** The name of the data set. */
  name: DatasetName;
  /** The folder of its files. */
  directory: string;
  /** Its files, and whether they were there before. */
  files: FetchedFile[];
}

/** One file of a data set that is complete. */
export interface FetchedFile {
  /** The path. */
  path: string;
  /** The size in bytes. */
  bytes: number;
  /** Whether it was there before. */
  status: 'present' | 'downloaded';
}

const fetchKeys = [
  'directory',
  'mirrors',
  'attempts',
  'stallMs',
  'backoffMs',
  'ca',
  'onProgress',
  'onRetry',
  'signal',
] as const satisfies readonly (keyof FetchOptions)[];

function checkMirrors(mirrors: unknown): string[] {
  if (!Array.isArray(mirrors) || mirrors.length === 0) throw expected('an array of addresses', 'mirrors', mirrors);
  return mirrors.map((mirror, i) => checkAddress(mirror, `mirrors[${i}]`));
}

/** Downloads `files` from `urls`; what fetchDataset does with the files of a set. `env` as in DownloadOptions. */
export async function fetchFiles(
  files: readonly SourceFile[],
  urls: readonly string[],
  directory: string,
  options: FetchOptions & { env?: Environment },
): Promise<FetchResult['files']> {
  const results: FetchResult['files'] = [];
  for (const [index, file] of files.entries()) {
    const path = join(directory, file.name);
    const status = await download({
      urls: urls.map((url) => (url.endsWith('/') ? url : `${url}/`) + file.name),
      path,
      checksum: { algorithm: 'md5', hex: file.md5 },
      size: file.size,
      attempts: options.attempts,
      stallMs: options.stallMs,
      backoffMs: options.backoffMs,
      ca: options.ca,
      signal: options.signal,
      env: options.env,
      onRetry: options.onRetry,
      onProgress: (progress) =>
        options.onProgress?.({ ...progress, file: file.name, fileIndex: index + 1, fileCount: files.length }),
    });
    results.push({ path, bytes: file.size, status });
  }
  return results;
}

/** What to do about a set that is not fetched: its files are a user's, or have to be unpacked. */
function notFetched(name: DatasetName, { download: { urls, files } }: DataSource): OneSpikeError {
  const [file] = files;
  const why =
    file === undefined
      ? 'whose pictures are your own'
      : `which is an archive of many files: download ${urls[0]}${file.name} (MD5 ${file.md5}), unpack it, and name the folder with --data DIR`;
  return new OneSpikeError('ERR_ARG', `Expected a data set that can be fetched but received '${name}', ${why}`);
}

/**
 * Downloads the official files of a set, verified by checksum. Honours HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.
 * A download that was cut or aborted is continued by the next call. `shapes` has nothing to fetch.
 *
 * Errors: ERR_ARG, ERR_IO if no address gives a file, ERR_FORMAT if the checksum is wrong, ERR_ABORTED.
 */
export async function fetchDataset(name: DatasetName, options: FetchOptions = {}): Promise<FetchResult> {
  checkOneOf(name, 'the data set name', datasetNames);
  checkOptions(options, 'the fetch options', fetchKeys);
  const source = sources[name];
  if (source.kind === 'own') throw notFetched(name, source);
  if (options.directory !== undefined) checkString(options.directory, 'directory');
  if (options.attempts !== undefined) checkInteger(options.attempts, 'attempts', { min: 1 });
  if (options.stallMs !== undefined) checkInteger(options.stallMs, 'stallMs', { min: 1 });
  if (options.backoffMs !== undefined) checkInteger(options.backoffMs, 'backoffMs', { min: 0 });
  checkSignal(options.signal, 'signal');
  const { urls, files } = source.download;
  const directory = await directoryOf(name, options.directory, true);
  return {
    name,
    directory,
    files: await fetchFiles(
      files,
      options.mirrors === undefined ? urls : checkMirrors(options.mirrors),
      directory,
      options,
    ),
  };
}
