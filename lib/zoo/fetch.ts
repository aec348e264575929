// Models from the web: by address and checksum.
import { basename } from 'node:path';
import { checkOptions, checkSignal, checkString, expected } from '../check';
import { checkAddress, download, hashOf, type DownloadProgress, type DownloadRetry } from '../data/download/download';
import { OneSpikeError } from '../errors';
import { exists } from '../io/status';
import { removeFile } from '../io/write';
import { readModel } from '../model/model-file';
import { readCard } from './card';
import { fetchedPath, isModelName, type ListedModel } from './catalogue';

/** Options of `models.fetch`. */
export interface FetchModelOptions {
  /** The SHA-256 of the file, in hexadecimal digits. */
  sha256: string;
  /** The name of the model; that of the file in the address by default. */
  name?: string | undefined;
  /** Extra certificate authority (PEM), e.g. of a company's proxy. */
  ca?: string | undefined;
  /** The function that is told of every piece that has arrived. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** The function that is told of every failure before the pause that follows it. */
  onRetry?: ((retry: DownloadRetry) => void) | undefined;
  /** The signal that stops the download, which a later call continues. */
  signal?: AbortSignal | undefined;
}

/** A model that was fetched. */
export interface FetchedModel extends ListedModel {
  /** Whether it was there before. */
  status: 'present' | 'downloaded';
}

const KEYS = [
  'sha256',
  'name',
  'ca',
  'onProgress',
  'onRetry',
  'signal',
] as const satisfies readonly (keyof FetchModelOptions)[];

/**
 * Downloads a model file from an http or https address, verifies it by its SHA-256, and keeps it under a name. A
 * download that was cut is continued by the next call.
 * Errors: ERR_ARG; ERR_IO if the address gives no file; ERR_FORMAT for another checksum, and for a file that is no
 * model, which is not kept; ERR_STATE if the name has another file; ERR_ABORTED.
 */
export async function fetchModel(url: string, options: FetchModelOptions): Promise<FetchedModel> {
  const given = checkOptions(options, 'options', KEYS) as FetchModelOptions;
  const { sha256, ca, onProgress, onRetry } = given;
  const address = checkAddress(checkString(url, 'url'), 'url');
  if (typeof sha256 !== 'string' || !/^[0-9a-fA-F]{64}$/.test(sha256))
    throw expected('64 hexadecimal digits', 'sha256', sha256);
  const file = basename(decodeURIComponent(new URL(address).pathname)).replace(/\.safetensors$/, '');
  const name = given.name ?? file;
  if (!isModelName(name))
    throw expected('letters, digits, dots, dashes and underscores', 'the name of the model', name);
  const path = await fetchedPath(name);
  const checksum = { algorithm: 'sha256', hex: sha256.toLowerCase() } as const;
  const signal = checkSignal(given.signal, 'signal');
  const status = (await exists(path))
    ? await checkSame(path, name, checksum.hex, signal)
    : await download({ urls: [address], path, checksum, ca, onProgress, onRetry, signal });
  try {
    const { extra } = await readModel(path);
    return { name, path, source: 'fetched', status, card: readCard(extra, path) };
  } catch (error) {
    await removeFile(path);
    throw error;
  }
}

/** A name keeps its file: whoever trusts one does not get another. Errors: ERR_STATE. */
async function checkSame(path: string, name: string, sha256: string, signal?: AbortSignal): Promise<'present'> {
  const found = await hashOf(path, 'sha256', signal);
  if (found === sha256) return 'present';
  throw new OneSpikeError(
    'ERR_STATE',
    `Expected a new name but received ${name}, under which ${path} is kept (SHA-256 ${found}); remove that file, or choose a name`,
  );
}
