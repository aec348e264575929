// What the commands that answer for pictures take: a run, a model file, or the name of a model.
import { basename } from 'node:path';
import { OneSpikeError } from '../../../errors';
import { exists, isFile, isFolder } from '../../../io/status';
import { absolutePath } from '../../../io/paths';
import { isSafetensors } from '../../../io/safetensors';
import { trainedAt, type TrainedModel } from '../../../train/run/model-run';
import type { ListedModel } from '../../../zoo';

/** A network and the name that a reader knows it by. */
export type NamedModel = TrainedModel & { name: string };

/** The network of a run, of a model file, or of a listed model. Errors: ERR_IO, ERR_FORMAT, ERR_STATE. */
export async function trainedOf(given: string | ListedModel): Promise<NamedModel> {
  if (typeof given !== 'string') return { ...(await trainedAt(given.path)), name: given.name };
  return { ...(await trainedAt(given)), name: basename(given).replace(/\.safetensors$/, '') };
}

/**
 * What is at a path that should be a network; what is not there may be the name of a listed one. Errors: ERR_IO, which
 * says what was `wanted`.
 */
export async function findTrained(given: string, wanted = 'a run'): Promise<string | ListedModel> {
  if (await exists(absolutePath(given))) return given;
  const { findModel } = await import('../../../zoo/index.js');
  const listed = await findModel(given);
  if (listed !== undefined) return listed;
  throw new OneSpikeError(
    'ERR_IO',
    `Expected ${wanted}, a model file or the name of a model at ${given} but nothing is there ` +
      '(names: onespike models list)',
  );
}

/**
 * The network that a first argument names or, if that is neither a run nor a model, the one in the package. Errors:
 * ERR_IO if nothing is there, ERR_STATE if the package holds no network.
 */
export async function trainedOrPackaged(
  first: string,
): Promise<{ chosen: string | ListedModel; packaged?: ListedModel }> {
  // What is called a model is meant as one, and fails as one.
  if (/\.safetensors$/.test(first) || (await isFolder(first))) return { chosen: first };
  if (!(await isFile(first))) return { chosen: await findTrained(first, 'a picture, a run') };
  if (await isSafetensors(first)) return { chosen: first };
  const packaged = await packagedOrFail(first);
  return { chosen: packaged, packaged };
}

/** The network in the package. Errors: ERR_STATE, which says what is missing before `received`. */
export async function packagedOrFail(received: string): Promise<ListedModel> {
  const { packagedModel } = await import('../../../zoo/index.js');
  const packaged = await packagedModel();
  if (packaged !== undefined) return packaged;
  throw new OneSpikeError(
    'ERR_STATE',
    `Expected a run or a model file but received ${received}, and this package holds no trained network`,
  );
}
