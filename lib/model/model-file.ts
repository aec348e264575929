// Model files and checkpoints: safetensors whose metadata hold the architecture, so that a file is complete by itself.
import { describeValue, isObject } from '../check';
import { OneSpikeError } from '../errors';
import { readMetadata, readSafetensors, writeSafetensors, type Tensor } from '../io/safetensors';
import { floatTable, isSmallFloat, toHalfFloats, type HalfFloat } from '../io/small-floats';
import { SLOTS } from '../native/network';
import { resolveNetwork, type ResolvedNetwork } from './description';
import { parameterFault, trainedNames, type FloatTensor } from './parameters';
import { firstNonFinite, lookUp, Pace } from './scan';
import { parameterShapes } from './shapes';

/** The version of the `onespike` entry of the metadata. */
const FORMAT = 1;

export interface ModelFile {
  network: ResolvedNetwork;
  /**
   * Every parameter of the network by name, in its order: `layers.I.weight|bias|norm.*|threshold|leak|kappa|theta|...`.
   */
  tensors: Map<string, FloatTensor>;
  /** State of the optimiser by name, `slot0.layers.I.weight` and so on; empty in a model file. */
  slots: Map<string, FloatTensor>;
  /** Further entries of the metadata. */
  extra: Record<string, string>;
}

/**
 * Reads a model file or a checkpoint. Parameters may be stored as F32, F16, BF16 or F8. `described` is the network of a
 * file whose metadata name none: other programs keep the tensors and drop the metadata.
 * Errors: ERR_IO; ERR_FORMAT for a damaged file, an architecture that is none, a tensor that is missing, superfluous,
 * of another type or shape or not finite, a threshold that is not above 0, a leak outside [0, 1] and a schedule outside
 * [2^-20, 2^20].
 */
export async function readModel(path: string, described?: ResolvedNetwork): Promise<ModelFile> {
  const { metadata, tensors: stored } = await readSafetensors(path);
  const { onespike: _, ...extra } = metadata;
  const network = networkIn(metadata, path, described);
  const tensors = new Map<string, FloatTensor>();
  const slots = new Map<string, FloatTensor>();
  const pace = new Pace();
  const shapes = parameterShapes(network);
  const trained = trainedNames(shapes.map(({ name }) => name));
  for (const { name, shape } of shapes) {
    const tensor = stored.get(name);
    if (tensor === undefined) throw damaged(path, `a tensor '${name}' of shape ${text(shape)}`, 'none');
    tensors.set(name, await checkParameter(path, name, tensor, shape, pace));
    stored.delete(name);
    for (const slot of SLOTS) {
      if (!trained.has(name) && slot !== 'average') continue;
      const state = stored.get(`${slot}.${name}`);
      if (state === undefined) continue;
      slots.set(`${slot}.${name}`, await checkTensor(path, `${slot}.${name}`, state, shape, pace));
      stored.delete(`${slot}.${name}`);
    }
  }
  const [stranger] = stored.keys();
  if (stranger !== undefined) throw damaged(path, 'tensors of the network alone', `'${stranger}'`);
  return { network, tensors, slots, extra };
}

/**
 * Reads the network of a model file without its tensors; `described` as of `readModel`. Errors: ERR_IO; ERR_FORMAT for
 * what the header shows.
 */
export async function readNetwork(path: string, described?: ResolvedNetwork): Promise<ResolvedNetwork> {
  return networkIn(await readMetadata(path), path, described);
}

export interface WriteModelOptions {
  /** State of the optimiser, which makes the file a checkpoint. */
  slots?: ReadonlyMap<string, FloatTensor>;
  /** Further entries of the metadata; `onespike` is reserved. */
  extra?: Readonly<Record<string, string>>;
  /** The type of weights, which are rounded to it; all other parameters, and by default weights too, are F32. */
  weights?: HalfFloat | undefined;
}

/**
 * Writes a model file or a checkpoint, atomically. What `readModel` would refuse is not written.
 * Errors: ERR_ARG for parameters that do not match the network or are out of range, also of `weights`; ERR_IO.
 */
export async function writeModel(
  path: string,
  network: ResolvedNetwork,
  parameters: ReadonlyMap<string, FloatTensor>,
  options: WriteModelOptions = {},
): Promise<void> {
  const { slots = new Map<string, FloatTensor>(), extra = {} } = options;
  const tensors = new Map<string, Tensor>();
  const shapes = parameterShapes(network);
  const pace = new Pace();
  try {
    for (const { name, shape } of shapes) {
      const parameter = parameters.get(name);
      if (parameter === undefined) throw damaged(path, `a tensor '${name}' of shape ${text(shape)}`, 'none');
      const tensor: Tensor = { dtype: 'F32', ...parameter };
      const checked = await checkParameter(path, name, tensor, shape, pace);
      tensors.set(name, stored(path, name, checked, options.weights));
    }
    for (const slot of SLOTS) {
      for (const { name, shape } of shapes) {
        const state = slots.get(`${slot}.${name}`);
        if (state === undefined) continue;
        const key = `${slot}.${name}`;
        const tensor: Tensor = { dtype: 'F32', ...state };
        tensors.set(key, { dtype: 'F32', ...(await checkTensor(path, key, tensor, shape, pace)) });
      }
    }
    for (const name of [...parameters.keys(), ...slots.keys()])
      if (!tensors.has(name)) throw damaged(path, 'tensors of the network alone', `'${name}'`);
    if (Object.hasOwn(extra, 'onespike')) throw damaged(path, "metadata other than 'onespike'", "'onespike'");
  } catch (error) {
    throw new OneSpikeError('ERR_ARG', (error as Error).message, { cause: error });
  }
  await writeSafetensors(path, tensors, { onespike: JSON.stringify({ format: FORMAT, network }), ...extra });
}

/** A parameter as it is stored. Errors: ERR_FORMAT for a weight that the type does not reach. */
function stored(path: string, name: string, tensor: FloatTensor, weights: HalfFloat | undefined): Tensor {
  if (weights === undefined || !/^layers\.\d+\.weight$/.test(name)) return { dtype: 'F32', ...tensor };
  const data = toHalfFloats(weights, tensor.data);
  const table = floatTable(weights);
  const beyond = data.findIndex((pattern) => !Number.isFinite(table[pattern]));
  if (beyond >= 0)
    throw damaged(path, `numbers within the range of ${weights} in '${name}'`, String(tensor.data[beyond]));
  return { dtype: weights, shape: tensor.shape, data };
}

function networkIn(
  { onespike }: Readonly<Record<string, string>>,
  path: string,
  described: ResolvedNetwork | undefined,
): ResolvedNetwork {
  return onespike === undefined && described !== undefined ? described : parseArchitecture(onespike, path);
}

function parseArchitecture(json: string | undefined, path: string): ResolvedNetwork {
  if (json === undefined)
    throw damaged(
      path,
      "an architecture under the key 'onespike' of the metadata",
      'none; network.load and init=FILE take such a file for a network that is described elsewhere',
    );
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw damaged(path, "JSON under the key 'onespike' of the metadata", (error as Error).message, error);
  }
  if (!isObject(value)) throw damaged(path, "an object under the key 'onespike' of the metadata", describeValue(value));
  const { format, network } = value;
  if (format !== FORMAT) throw damaged(path, `format ${FORMAT} of the architecture`, describeValue(format));
  try {
    return resolveNetwork(network);
  } catch (error) {
    throw damaged(path, 'a valid architecture', `one with the fault: ${(error as Error).message}`, error);
  }
}

async function checkParameter(
  path: string,
  name: string,
  tensor: Tensor,
  shape: readonly number[],
  pace: Pace,
): Promise<FloatTensor> {
  const checked = await checkTensor(path, name, tensor, shape, pace);
  const fault = parameterFault(name, checked.data);
  if (fault !== undefined) throw damaged(path, `${fault.what} as '${fault.name}'`, String(fault.value));
  return checked;
}

async function checkTensor(
  path: string,
  name: string,
  tensor: Tensor,
  shape: readonly number[],
  pace: Pace,
): Promise<FloatTensor> {
  const { dtype, data } = tensor;
  if (dtype !== 'F32' && !isSmallFloat(dtype))
    throw damaged(path, `type F32, F16, BF16, F8_E4M3 or F8_E5M2 of '${name}'`, dtype);
  if (text(tensor.shape) !== text(shape)) throw damaged(path, `shape ${text(shape)} of '${name}'`, text(tensor.shape));
  const floats =
    dtype === 'F32' ? (data as Float32Array) : await lookUp(data as Uint8Array | Uint16Array, floatTable(dtype), pace);
  const wrong = await firstNonFinite(floats, pace);
  if (wrong >= 0) throw damaged(path, `finite numbers in '${name}'`, `${floats[wrong]} at element ${wrong}`);
  return { shape: [...shape], data: floats };
}

function text(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function damaged(path: string, what: string, received: string, cause?: unknown): OneSpikeError {
  return new OneSpikeError(
    'ERR_FORMAT',
    `Expected ${what} for ${path} but received ${received}`,
    cause === undefined ? undefined : { cause },
  );
}
