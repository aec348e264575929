// The trained networks that are at hand: in the package, and those that were fetched.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OneSpikeError } from '../errors';
import { dataDirectory } from '../data/files';
import { readMetadata } from '../io/safetensors';
import { ioError } from '../io/system-error';
import { packagePath } from '../native/version';
import { readCard, type ModelCard } from './card';

const EXTENSION = '.safetensors';

/** A trained network that is at hand under a name. */
export interface ListedModel {
  /** The name. */
  name: string;
  /** The model file. */
  path: string;
  /** Where it comes from: the package itself, or `fetchModel`. */
  source: 'package' | 'fetched';
  /** Its card; undefined where the file has none. */
  card: ModelCard | undefined;
}

/**
 * The folder of the models that are fetched: `$ONESPIKE_DATA/models`, or `~/.cache/onespike/models`. Errors: ERR_IO.
 */
export async function modelsFolder(): Promise<string> {
  return dataDirectory('models', undefined, true);
}

/** The models of the package, then those that were fetched, by name. Errors: ERR_IO, ERR_FORMAT for a damaged one. */
export async function listModels(): Promise<ListedModel[]> {
  return (await Promise.all((await folders()).map(modelsIn))).flat();
}

/** The network in the package; undefined if it holds none. Errors: ERR_IO, ERR_FORMAT. */
export async function packagedModel(): Promise<ListedModel | undefined> {
  const path = packagePath('models');
  return path === undefined ? undefined : (await modelsIn({ path, source: 'package' }))[0];
}

/** The model of a name, with the same name that of the package. Errors: ERR_IO, ERR_FORMAT. */
export async function findModel(name: string): Promise<ListedModel | undefined> {
  // A name is no path.
  if (!isModelName(name)) return undefined;
  for (const folder of await folders()) if ((await namesIn(folder.path)).includes(name)) return modelAt(folder, name);
  return undefined;
}

/**
 * Whether a text can be the name of a model: letters, digits, dots, dashes and underscores, with a letter or a digit
 * first.
 */
export function isModelName(text: string): boolean {
  return /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,99}$/u.test(text);
}

/** The file of a fetched model. Errors: ERR_IO. */
export async function fetchedPath(name: string): Promise<string> {
  return join(await modelsFolder(), `${name}${EXTENSION}`);
}

/** A folder of models. */
interface Folder {
  path: string;
  source: ListedModel['source'];
}

/** The folder in the package, if it has one, and that of the models that are fetched. */
async function folders(): Promise<Folder[]> {
  const inPackage = packagePath('models');
  const fetched: Folder = { path: await modelsFolder(), source: 'fetched' };
  return inPackage === undefined ? [fetched] : [{ path: inPackage, source: 'package' }, fetched];
}

async function modelsIn(folder: Folder): Promise<ListedModel[]> {
  return Promise.all((await namesIn(folder.path)).map((name) => modelAt(folder, name)));
}

async function modelAt({ path: folder, source }: Folder, name: string): Promise<ListedModel> {
  const path = join(folder, `${name}${EXTENSION}`);
  const metadata = await readMetadata(path);
  if (metadata.onespike === undefined)
    throw new OneSpikeError('ERR_FORMAT', `Expected a model file at ${path} but received one without an architecture`);
  return { name, path, source, card: readCard(metadata, path) };
}

async function namesIn(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw ioError('read', folder, error);
  }
  return names
    .filter((name) => name.endsWith(EXTENSION))
    .map((name) => name.slice(0, -EXTENSION.length))
    .filter(isModelName)
    .sort();
}
