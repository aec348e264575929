// Networks of other programs as networks of onespike.
import { basename } from 'node:path';

import { checkObject, checkOneOf, checkOptions, checkString, defined, expected, isObject } from '../check';
import { OneSpikeError } from '../errors';
import { InputFile } from '../io/binary/input-file';
import { fileKind, KIND_BYTES } from '../io/file-kind';
import { checkNoCode } from '../model/code/code';
import { resolveNetwork, type NetworkDescription, type ResolvedNetwork } from '../model/description';
import { isPool } from '../model/layer';
import type { FloatTensor } from '../model/parameters';
import { writeModel } from '../model/model-file';
import { VGG, type VggName } from '../model/vgg';
import { layoutOf, type Layout, type Place } from './layout';
import { importNir } from './nir/import';
import { importOnnx } from './onnx/import';
import { findModules, type ModuleMap, type Modules, type Weighted } from './modules';
import { checkNothingLeft, describeLayers, placeModules, takeParameters, type ImportedTensor } from './place';
import { pytorchSource } from './sources/pytorch';
import { safetensorsSource, shardedSource } from './sources/safetensors';
import type { TensorSource } from './sources/tensor';

export type { ImportedTensor } from './place';

/** Options of `importModel`. */
export interface ImportOptions {
  /**
   * The layers, where the file does not say them: a description whose weighted layers take the modules in their order,
   * or the name of a VGG network, which says where pools are.
   */
  model?: NetworkDescription | VggName | undefined;
  /** The shape [C, H, W] of an image; by default the one that the first linear layer fits. */
  input?: [number, number, number] | undefined;
  /** The layer of a module, `{ 'features.0': 'layers.0', 'features.1': 'layers.0.norm' }`, or '' to leave it out. */
  map?: Readonly<Record<string, string>> | undefined;
  /** T, the number of time steps; 5 by default. */
  timesteps?: number | undefined;
  /** The mean of p / 255 per channel with which the network was trained. */
  mean?: number[] | undefined;
  /** The standard deviation of p / 255 per channel with which the network was trained. */
  std?: number[] | undefined;
  /** The name of the network; that of the file by default. */
  name?: string | undefined;
  /** What becomes of pools of maxima in an ONNX model: 'average' pools, or by default an error. */
  maxPool?: 'average' | undefined;
  /** The duration of a time step of a NIR file by another program, in seconds; 1e-4 by default. */
  dt?: number | undefined;
  /** The model file to write; none by default. */
  output?: string | undefined;
}

/** A network of another program. */
export interface ImportedModel {
  /** The format of the file. */
  format: 'safetensors' | 'pytorch' | 'onnx' | 'nir';
  /** The network. */
  network: ResolvedNetwork;
  /** Its parameters by name, as `Network.setParameters` takes them. */
  tensors: Map<string, FloatTensor>;
  /** Where every tensor of the file went. */
  table: ImportedTensor[];
  /** The names of the classes, where the file has them. */
  classes?: string[];
  /** What the file does not say, and what was taken for it, in sentences. */
  warnings: string[];
}

const OPTIONS = [
  'model',
  'input',
  'map',
  'timesteps',
  'mean',
  'std',
  'name',
  'maxPool',
  'dt',
  'output',
] as const satisfies readonly (keyof ImportOptions)[];

/**
 * Reads a network of another program: an ONNX model or a NIR graph that is one chain of layers, or the state dict of a
 * PyTorch network, from safetensors (one file, or the index of several) or from torch.save. Nothing that a file
 * contains is executed.
 *
 * Errors: ERR_IO; ERR_FORMAT for a damaged file and for what cannot be read, by name; ERR_SHAPE for tensors that do not
 * fit one another or the model; ERR_ARG.
 */
export async function importModel(path: string, options: ImportOptions = {}): Promise<ImportedModel> {
  checkString(path, 'path');
  const given = checkImportOptions(options);
  const imported = await InputFile.use(path, async (file) =>
    (await isOnnx(file))
      ? importOnnx(file, given)
      : (await isNir(file))
        ? importNir(file.path, given)
        : importState(file, given),
  );
  const { network, tensors, format, classes } = imported;
  // NIR has spiking networks, the other formats ANNs.
  const extra = { mode: format === 'nir' ? 'snn' : 'ann', ...(classes && { classes: JSON.stringify(classes) }) };
  if (given.output !== undefined) await writeModel(given.output, network, tensors, { extra });
  return imported;
}

/** The network of a state dict. */
async function importState(file: InputFile, given: ImportOptions): Promise<ImportedModel> {
  const map: ModuleMap = new Map(Object.entries(given.map ?? {}));
  const source = await openSource(file);
  const modules = findModules(source, file.path, map);
  const { network, placed, adaptive, warnings } = planned(file.path, modules, map, given);
  checkNothingLeft(network, placed);
  const { tensors, table } = await takeParameters(network, placed, adaptive);
  const leftOut = modules.leftOut.map(
    ({ name, shape, dtype }): ImportedTensor => ({ source: name, target: null, shape, dtype }),
  );
  return { format: source.format, network, tensors, table: [...table, ...leftOut], warnings };
}

/**
 * An ONNX model begins with its version; a safetensors file may begin with that byte too, but has its header soon
 * after.
 */
async function isOnnx(file: InputFile): Promise<boolean> {
  const head = await file.head(9);
  return head[0] === 0x08 && head[8] !== 0x7b;
}

/** NIR graphs are HDF5 files. */
async function isNir(file: InputFile): Promise<boolean> {
  return fileKind(await file.head(KIND_BYTES)) === 'an HDF5 file';
}

interface Plan {
  network: ResolvedNetwork;
  placed: ReadonlyMap<string, Weighted>;
  adaptive: number | undefined;
  warnings: string[];
}

/** The network that the modules become: the one that is given, or the one that their shapes and numbers say. */
function planned(path: string, modules: Modules, map: ModuleMap, given: ImportOptions): Plan {
  const { model, input, timesteps, mean, std, name } = given;
  const changes = defined({ input, timesteps, mean, std, name });
  if (typeof model === 'object') {
    const network = resolveNetwork({ ...model, ...changes });
    checkNoCode(network);
    const places = network.layers.map(({ type }): Place => (isPool(type) ? 'pool' : type));
    return { network, placed: placeModules(modules, places, map), adaptive: undefined, warnings: [] };
  }
  const layout = layoutOf(modules, path, input, model);
  const placed = placeModules(modules, layout.places, map);
  const network = resolveNetwork({
    name: basename(path).replace(/\.[^.]*$/, ''),
    timesteps: 5,
    // As in the presets (lib/train/config/presets.ts).
    beta: 0,
    layers: describeLayers(layout.places, placed),
    ...changes,
    input: layout.input,
  });
  return { network, placed, adaptive: layout.adaptive, warnings: warningsOf(layout) };
}

function warningsOf({ pools, adaptive }: Layout): string[] {
  const warnings: string[] = [];
  if (pools !== undefined)
    warnings.push(
      `pools are no part of a state dict: their places come from ${pools}, and all are average pools of 2 x 2; ` +
        'a network with maximum pools computes something else here until it is trained',
    );
  if (adaptive !== undefined)
    warnings.push(
      `the first linear layer was made for a map of ${adaptive} x ${adaptive}: the adaptive average pool before it became part of its weights`,
    );
  return warnings;
}

/** The tensors of a file, whose kind its first bytes tell. Errors: ERR_FORMAT for a kind that is not read, by name. */
async function openSource(file: InputFile): Promise<TensorSource> {
  const head = await file.head(KIND_BYTES);
  const kind = fileKind(head);
  if (kind === 'a zip archive') return pytorchSource(file);
  if (kind === 'JSON') return shardedSource(file.path);
  if (kind === 'a Python pickle' || kind === 'a tar archive')
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected safetensors or an archive of torch.save for ${file.path} but received ${kind}, as PyTorch wrote before version 1.6; load it there and save it again by torch.save(state_dict, path)`,
    );
  // The header of a safetensors file, which is JSON, begins behind its length.
  if (head[8] !== 0x7b && !file.path.endsWith('.safetensors'))
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected safetensors, an archive of torch.save, an ONNX model or a NIR graph for ${file.path} but received ` +
        'another kind of file',
    );
  return safetensorsSource(file.path);
}

function checkImportOptions(options: ImportOptions): ImportOptions {
  const { model, input, map, maxPool, output, ...others } = checkOptions(options, 'options', OPTIONS);
  if (maxPool !== undefined) checkOneOf(maxPool, 'maxPool', ['average']);
  if (typeof model === 'string') checkOneOf(model, 'model', Object.keys(VGG) as VggName[]);
  else if (model !== undefined && !isObject(model))
    throw expected('a description or the name of a VGG network', 'model', model);
  if (
    input !== undefined &&
    !(Array.isArray(input) && input.length === 3 && input.every((side) => Number.isInteger(side) && side > 0))
  )
    throw expected('three integers [C, H, W]', 'input', input);
  for (const [name, layer] of Object.entries(checkObject(map, 'map')))
    if (typeof layer !== 'string' || !/^(layers\.\d+(\.norm)?)?$/.test(layer))
      throw expected("'layers.I', 'layers.I.norm' or ''", `map['${name}']`, layer);
  if (output !== undefined) checkString(output, 'output');
  // The others are fields of a description, which is checked as a whole.
  return { model, input, map, maxPool, output, ...others } as ImportOptions;
}
