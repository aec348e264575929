// NIR files as networks.
import { basename } from 'node:path';
import { checkNumber, defined, isObject, unknownKey } from '../../check';
import { OneSpikeError } from '../../errors';
import { readHdf5 } from '../../io/hdf5/read';
import { isGroup } from '../../io/hdf5/values';
import { parseJson } from '../../io/json-text';
import { resolveNetwork, type ResolvedNetwork } from '../../model/description';
import { layerName } from '../../model/layer';
import { parameterFault, type FloatTensor } from '../../model/parameters';
import { parameterShapes } from '../../model/shapes';
import type { ImportedModel, ImportOptions } from '../import';
import type { ImportedTensor } from '../place';
import { elements } from '../sources/tensor';
import { METADATA, STEP_SECONDS } from './graph';
import { layersOf, type FoundLayer } from './layers';
import { chainOf, type NirNode } from './nodes';

/** What the metadata of a file by `exportNir` say. */
interface Described {
  network: ResolvedNetwork;
  /** The numbers of neurons by layer, which NIR has in other units or not at all. */
  neurons: Record<string, Record<string, unknown>>;
  classes: string[] | undefined;
}

/**
 * The network of a NIR file, which must be one chain of convolutions, linear layers, average pools and
 * integrate-and-fire neurons. Errors: ERR_IO, ERR_FORMAT, ERR_SHAPE, ERR_ARG.
 */
export async function importNir(path: string, given: ImportOptions): Promise<ImportedModel> {
  for (const option of ['model', 'map'] as const)
    if (given[option] !== undefined) throw unknownKey('a NIR file', option, ['timesteps', 'mean', 'std', 'name', 'dt']);
  const dt = checkNumber(given.dt ?? STEP_SECONDS, 'dt', { min: 0, exclusive: true });
  const { graph, chain } = chainOf(path, await readHdf5(path));
  const described = describedIn(graph);
  const found = layersOf(chain, described === undefined ? dt : STEP_SECONDS);
  const network = described?.network ?? resolve(path, chain[0]!, found, given);
  checkSame(graph, network, found);
  const tensors = new Map<string, FloatTensor>();
  const table: ImportedTensor[] = [];
  for (const { name, shape } of parameterShapes(network)) {
    const [, number, of] = /^layers\.(\d+)\.(.*)$/.exec(name) as unknown as [string, string, string];
    const own = found[Number(number)]!.tensors.get(of);
    const exact = exactly(described?.neurons[layerName(Number(number))]?.[of], own?.tensor);
    const data = exact ?? own?.tensor.data;
    if (data === undefined) throw graph.damaged(`what becomes '${name}'`, 'nothing');
    const count = elements(shape);
    if (data.length !== count)
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected shape [${shape.join(', ')}] of '${name}' in ${path} but received ${data.length} numbers`,
      );
    const fault = parameterFault(name, data);
    if (fault !== undefined || !data.every(Number.isFinite))
      throw graph.damaged(`${fault?.what ?? 'finite numbers'} as '${name}'`, String(fault?.value ?? 'others'));
    tensors.set(name, { shape, data });
    if (own !== undefined) table.push({ source: own.source, target: name, shape: own.tensor.shape, dtype: 'F32' });
  }
  const warnings =
    described === undefined
      ? [
          'NIR says neither how pixels become spikes nor that neurons fire once: both are what they are for every network here',
        ]
      : [];
  const { classes } = described ?? {};
  return { format: 'nir', network, tensors, table, warnings, ...(classes === undefined ? {} : { classes }) };
}

/** The description in the metadata; undefined if another program wrote the file. Errors: ERR_FORMAT. */
function describedIn(graph: NirNode): Described | undefined {
  const entry = graph.subgroup('metadata')?.get(METADATA);
  if (entry === undefined || isGroup(entry)) return undefined;
  const [json] = entry.data;
  if (typeof json !== 'string') return undefined;
  const value = parseJson(json, `the metadata '${METADATA}' of ${graph.path}`);
  const { format, network, neurons, classes } = (isObject(value) ? value : {}) as Record<string, unknown>;
  const named = Array.isArray(classes) && classes.every((name) => typeof name === 'string');
  if (
    format !== 1 ||
    !isObject(neurons) ||
    !Object.values(neurons).every(isObject) ||
    !(classes === undefined || named)
  )
    throw graph.damaged(`metadata '${METADATA}' of format 1`, 'others');
  try {
    return {
      network: resolveNetwork(network),
      neurons: neurons as Described['neurons'],
      classes: classes as string[] | undefined,
    };
  } catch (error) {
    throw graph.damaged('a valid architecture', `one with the fault: ${(error as Error).message}`);
  }
}

/** A description from the nodes alone. */
function resolve(path: string, input: NirNode, found: readonly FoundLayer[], given: ImportOptions): ResolvedNetwork {
  const { timesteps, mean, std, name } = given;
  const shape = [...input.floats('shape').data];
  // Inputs without a map are a row of it.
  const image = given.input ?? (shape.length === 1 ? [1, 1, shape[0]!] : shape);
  const layers = found.map(({ layer }, i) => (i === found.length - 1 ? { ...layer, output: true } : layer));
  return resolveNetwork({
    name: basename(path).replace(/\.[^.]*$/, ''),
    timesteps: 5,
    // As in the presets (lib/train/config/presets.ts).
    beta: 0,
    layers,
    ...defined({ timesteps, mean, std, name }),
    input: image,
  });
}

/** Errors: ERR_FORMAT for nodes that are not those of the description. */
function checkSame(graph: NirNode, network: ResolvedNetwork, found: readonly FoundLayer[]): void {
  const text = (layers: readonly { type: string; kernel?: unknown; stride?: unknown; padding?: unknown }[]): string =>
    layers
      .map(({ type, kernel, stride, padding }) =>
        type === 'conv'
          ? `conv ${String(kernel)}/${String(stride)}/${String(padding)}`
          : type === 'avgpool'
            ? `avgpool ${String(kernel)}`
            : type,
      )
      .join(', ');
  const [wanted, received] = [text(network.layers), text(found.map(({ layer }) => layer))];
  if (wanted !== received) throw graph.damaged(`the layers ${wanted}`, received);
}

/** NIR's units round: how far a number may be from the one in the metadata to be the same. */
const ROUNDING = 1e-5;

/**
 * The exact numbers of the metadata, where NIR has none, or the same but for rounding: a file that another program has
 * changed counts as it is.
 */
function exactly(exact: unknown, own: FloatTensor | undefined): Float32Array | undefined {
  const numbers = Array.isArray(exact) ? exact : exact === undefined ? [] : [exact];
  if (numbers.length === 0 || !numbers.every((value) => typeof value === 'number')) return undefined;
  const data = Float32Array.from(numbers as number[]);
  const near =
    own === undefined ||
    own.data.every((value, i) => Math.abs(value - data[i]!) <= ROUNDING * Math.max(1, Math.abs(value)));
  return near ? data : undefined;
}
