/** `data fetch` and `data info`. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { checkInteger, checkOneOf, checkOptions, checkSignal, checkString, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { cifarLayouts, locateCifar } from '../sets/cifar';
import { download, type DownloadProgress } from './download';
import { dataDirectory, statOrNull } from '../files';
import { locateMnist, mnistFiles } from '../sets/mnist';
import type { Environment } from './proxy';
import { sources, type SourceFile } from '../sets/sources';
import type { DatasetName, ImageShape } from '../types';

export const datasetNames: readonly DatasetName[] = ['shapes', 'cifar10', 'cifar100', 'mnist', 'folder'];

export interface FetchProgress extends DownloadProgress {
  /** Base name of the file, its number from 1, and how many there are. */
  file: string;
  fileIndex: number;
  fileCount: number;
}

export interface FetchOptions {
  /** Where to put the files. Default: `$ONESPIKE_DATA/NAME`, or `~/.cache/onespike/NAME`. */
  directory?: string;
  /** Addresses of folders that hold the files, in place of the official ones. */
  mirrors?: string[];
  /** Failed attempts in a row at one address before the next one is tried. Default 5. */
  attempts?: number;
  /** Longest silence of a server, in milliseconds. Default 30,000. */
  stallMs?: number;
  /** Pause after the first failure, in milliseconds; doubles. Default 1000. */
  backoffMs?: number;
  /** Extra certificate authority (PEM), e.g. of a company's proxy. */
  ca?: string;
  onProgress?: (progress: FetchProgress) => void;
  signal?: AbortSignal;
}

export interface FetchResult {
  name: DatasetName;
  directory: string;
  files: { path: string; bytes: number; status: 'present' | 'downloaded' }[];
}

const fetchKeys = ['directory', 'mirrors', 'attempts', 'stallMs', 'backoffMs', 'ca', 'onProgress', 'signal'];

function checkMirrors(mirrors: unknown): string[] {
  if (!Array.isArray(mirrors) || mirrors.length === 0) throw expected('an array of addresses', 'mirrors', mirrors);
  return mirrors.map((mirror, i) => {
    if (typeof mirror !== 'string' || !/^https?:\/\//.test(mirror) || !URL.canParse(mirror))
      throw expected('an http or https address', `mirrors[${i}]`, mirror);
    return mirror;
  });
}

/** Downloads `files` from `urls`; what fetchDataset does with the files of a set. `env` as in DownloadOptions. */
export async function fetchFiles(
  files: SourceFile[],
  urls: string[],
  directory: string,
  options: FetchOptions & { env?: Environment },
): Promise<FetchResult['files']> {
  const results: FetchResult['files'] = [];
  for (const [index, file] of files.entries()) {
    const path = join(directory, file.name);
    const status = await download({
      urls: urls.map((url) => (url.endsWith('/') ? url : `${url}/`) + file.name),
      path,
      md5: file.md5,
      size: file.size,
      attempts: options.attempts,
      stallMs: options.stallMs,
      backoffMs: options.backoffMs,
      ca: options.ca,
      signal: options.signal,
      env: options.env,
      onProgress: (progress) =>
        options.onProgress?.({ ...progress, file: file.name, fileIndex: index + 1, fileCount: files.length }),
    });
    results.push({ path, bytes: file.size, status });
  }
  return results;
}

/**
 * Downloads the official files of a set, verified by checksum. Honours HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. A
 * download that was cut or aborted is continued by the next call. `shapes` has nothing to fetch.
 *
 * @throws ERR_ARG, ERR_IO if no address gives a file, ERR_FORMAT if the checksum is wrong, ERR_ABORTED
 */
export async function fetchDataset(name: DatasetName, options: FetchOptions = {}): Promise<FetchResult> {
  checkOneOf(name, 'the data set name', datasetNames);
  checkOptions(options, 'the fetch options', fetchKeys);
  if (name === 'folder')
    throw new OneSpikeError(
      'ERR_ARG',
      "Expected a public data set for fetch but received 'folder', whose pictures are your own",
    );
  if (options.directory !== undefined) checkString(options.directory, 'directory');
  if (options.attempts !== undefined) checkInteger(options.attempts, 'attempts', { min: 1 });
  if (options.stallMs !== undefined) checkInteger(options.stallMs, 'stallMs', { min: 1 });
  if (options.backoffMs !== undefined) checkInteger(options.backoffMs, 'backoffMs', { min: 0 });
  checkSignal(options.signal, 'signal');
  const { urls, files } = sources[name];
  const directory = await dataDirectory(name, options.directory, true);
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

export interface DatasetInfo {
  name: DatasetName;
  title: string;
  /** Addresses of the official files. */
  sources: string[];
  homepage: string;
  licence: string;
  citation: string;
  /** Where the files were looked for. */
  directory: string;
  /** Whether everything that `load` needs is there. */
  present: boolean;
  /** The files found. */
  files: { path: string; bytes: number }[];
  /** Images of the official set; null for `folder`. */
  counts: { train: number; test: number } | null;
  shape: ImageShape | null;
  classes: string[] | null;
}

async function presentFiles(name: DatasetName, directory: string): Promise<{ paths: string[]; present: boolean }> {
  if (name === 'shapes') return { paths: [], present: true };
  if (name === 'mnist') {
    const paths = await Promise.all(mnistFiles.map((file) => locateMnist(directory, file)));
    return { paths: paths.filter((path) => path !== null), present: !paths.includes(null) };
  }
  if (name === 'folder') {
    const names = await readdir(directory).catch(() => []);
    return { paths: [], present: names.length > 0 };
  }
  const location = await locateCifar(name, directory);
  if (location === null) return { paths: [], present: false };
  if (location.kind === 'archive') return { paths: [location.path], present: true };
  const { train, test } = cifarLayouts[name];
  const wanted = [...train, ...test].map((file) => join(location.path, file));
  const statuses = await Promise.all(wanted.map(statOrNull));
  return { paths: wanted.filter((_, i) => statuses[i] !== null), present: !statuses.includes(null) };
}

/** What is known about a set, and which of its files are here. Reads no file's content. */
export async function datasetInfo(name: DatasetName, options: { directory?: string } = {}): Promise<DatasetInfo> {
  checkOneOf(name, 'the data set name', datasetNames);
  checkOptions(options, 'the info options', ['directory']);
  if (options.directory !== undefined) checkString(options.directory, 'directory');
  const source = sources[name];
  const directory = await dataDirectory(name, options.directory);
  const { paths, present } = await presentFiles(name, directory);
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: (await statOrNull(path))?.size ?? 0 })));
  return {
    name,
    title: source.title,
    sources: source.files.map((file) => source.urls[0] + file.name),
    homepage: source.homepage,
    licence: source.licence,
    citation: source.citation,
    directory,
    present,
    files,
    counts: source.counts === null ? null : { ...source.counts },
    shape: source.shape === null ? null : [...source.shape],
    classes: source.classes === null ? null : [...source.classes],
  };
}
