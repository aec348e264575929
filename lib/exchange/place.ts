// Modules of another program's file put into the layers of a network: what goes where, and the parameters.
import { OneSpikeError } from '../errors';
import type { TensorType } from '../io/safetensors';
import type { LayerDescription, ResolvedNetwork } from '../model/description';
import { layerName } from '../model/layer';
import { parameterFault, type FloatTensor } from '../model/parameters';
import { firstNonFinite, Pace } from '../model/scan';
import { layerShapes, parameterShapes } from '../model/shapes';
import type { Place } from './layout';
import type { ModuleMap, Modules, Normalising, Weighted } from './modules';
import { resizedInputs } from './resize';
import { elements, type SourceTensor } from './sources/tensor';

/** Where a tensor of a file went. */
export interface ImportedTensor {
  /** The name of the tensor in the file. */
  source: string;
  /** The name of the parameter of the network; null for a tensor that was left out. */
  target: string | null;
  /** The shape in the file. */
  shape: number[];
  /** The type of the elements in the file. */
  dtype: TensorType;
}

/**
 * The modules by the layer that each goes to: those of the map where it says so, the others in their order. Errors:
 * ERR_ARG, ERR_SHAPE.
 */
export function placeModules(
  { weighted, mapped }: Modules,
  places: readonly Place[],
  map: ModuleMap,
): Map<string, Weighted> {
  const free = places.flatMap((place, i) => (place === 'pool' ? [] : [{ name: layerName(i) as string, place }]));
  const placed = new Map<string, Weighted>();
  const take = (module: Weighted, at: number, wanted: string): void => {
    const layer = free[at];
    if (layer === undefined) throw wrong(`a free layer of weights for '${module.name}'`, wanted);
    if (layer.place !== module.kind)
      throw wrong(`${layer.place} for ${layer.name}`, `'${module.name}', ${module.kind}`);
    placed.set(layer.name, module);
    free.splice(at, 1);
  };
  for (const module of weighted) {
    const wanted = map.get(module.name);
    if (wanted !== undefined)
      take(
        module,
        free.findIndex(({ name }) => name === wanted),
        `'${wanted}'`,
      );
  }
  for (const module of weighted) if (!map.has(module.name)) take(module, 0, 'more modules than layers');
  if (free[0] !== undefined) throw wrong(`a module for ${free[0].name}`, 'none');
  for (const { norm, layer } of mapped) {
    const owner = placed.get(layer);
    if (owner === undefined) throw wrong(`a layer of weights for '${norm.name}'`, `'${layer}'`);
    owner.norm = norm;
  }
  return placed;
}

/**
 * The layers of a layout, with what the modules say of them: strides are 1, and maps keep their size. Errors:
 * ERR_SHAPE.
 */
export function describeLayers(places: readonly Place[], placed: ReadonlyMap<string, Weighted>): LayerDescription[] {
  return places.map((place, i): LayerDescription => {
    if (place === 'pool') return { type: 'avgpool' };
    const { name, weight, bias, norm } = placed.get(layerName(i))!;
    const common = { out: weight.shape[0]!, bias: bias !== undefined, ...(norm ? { norm: 'batch' as const } : {}) };
    if (place === 'linear') return { type: 'linear', ...common, ...(i === places.length - 1 ? { output: true } : {}) };
    const [, , height, width] = weight.shape as [number, number, number, number];
    if (height !== width || height % 2 === 0)
      throw wrong(`a square kernel of an odd side as '${name}', or --model with the layers,`, `${height} x ${width}`);
    return { type: 'conv', kernel: height, padding: (height - 1) / 2, ...common };
  });
}

/**
 * The parameters of a network from the modules of its layers, and where each tensor went. `adaptive` is the side of the
 * map that the first linear layer expects, if another one comes to it.
 * Errors: ERR_SHAPE for a tensor of another shape or one that is missing, ERR_FORMAT for one that holds no finite
 * floats.
 */
export async function takeParameters(
  network: ResolvedNetwork,
  placed: ReadonlyMap<string, Weighted>,
  adaptive: number | undefined,
): Promise<{ tensors: Map<string, FloatTensor>; table: ImportedTensor[] }> {
  const tensors = new Map<string, FloatTensor>();
  const table: ImportedTensor[] = [];
  const pace = new Pace();
  const resized = adaptive === undefined ? -1 : network.layers.findIndex(({ type }) => type === 'linear');
  for (const { name, shape } of parameterShapes(network)) {
    const [, index, field] = /^layers\.(\d+)\.(.*)$/.exec(name)!;
    const layer = network.layers[Number(index)]!;
    const module = placed.get(`layers.${index}`)!;
    const taken = await take(module, field!, name, { weight: layer.threshold!, leak: layer.leak!, shape });
    if (!('source' in taken)) {
      tensors.set(name, taken);
      continue;
    }
    const { source } = taken;
    let data = await source.read();
    table.push({ source: source.name, target: name, shape: source.shape, dtype: source.dtype });
    let given = source.shape;
    if (Number(index) === resized && field === 'weight') {
      const [channels, height, width] = layerShapes(network)[resized]!.in;
      data = await resizedInputs(data, { outputs: layer.out, channels, side: adaptive!, height, width }, pace);
      given = [layer.out, channels * height * width];
    }
    if (given.join() !== shape.join())
      throw wrong(`shape ${shape.join(' x ')} for ${name}`, `${source.shape.join(' x ')} of '${source.name}'`);
    await checkNumbers(name, source.name, data, pace);
    tensors.set(name, { shape: [...shape], data });
  }
  return { tensors, table };
}

/** Checks that no module has more than its layer takes. Errors: ERR_SHAPE. */
export function checkNothingLeft(network: ResolvedNetwork, placed: ReadonlyMap<string, Weighted>): void {
  network.layers.forEach((layer, i) => {
    const module = placed.get(layerName(i));
    if (module?.bias !== undefined && !layer.bias)
      throw wrong(`bias: true of ${layerName(i)}, as '${module.name}' has one,`, 'false');
    if (module?.norm !== undefined && layer.norm === 'none')
      throw wrong(`norm: 'batch' of ${layerName(i)}, as '${module.norm.name}' follows,`, "'none'");
  });
}

async function take(
  module: Weighted,
  field: string,
  name: string,
  { weight: threshold, leak, shape }: { weight: number; leak: number; shape: readonly number[] },
): Promise<FloatTensor | { source: SourceTensor }> {
  const filled = (value: number): FloatTensor => ({
    shape: [...shape],
    data: new Float32Array(elements(shape)).fill(value),
  });
  const { norm } = module;
  if (field === 'threshold') return filled(threshold);
  if (field === 'leak') return filled(leak);
  if (field === 'kappa' || field === 'theta') return filled(1);
  const source =
    field === 'weight'
      ? module.weight
      : field === 'bias'
        ? module.bias
        : norm === undefined
          ? undefined
          : ofNorm(norm, field);
  if (source !== undefined) return { source };
  // A normalisation that is not affine has neither factors nor shifts.
  if (norm !== undefined && field === 'norm.weight') return filled(1);
  if (norm !== undefined && field === 'norm.bias') return filled(0);
  throw wrong(`a tensor for ${name}`, `'${module.name}' without one`);
}

function ofNorm(norm: Normalising, field: string): SourceTensor | undefined {
  if (field === 'norm.weight') return norm.weight;
  if (field === 'norm.bias') return norm.bias;
  return field === 'norm.running_mean' ? norm.mean : norm.variance;
}

/** Errors: ERR_FORMAT for numbers that are not finite, or that the parameter of that name cannot be. */
export async function checkNumbers(name: string, source: string, data: Float32Array, pace: Pace): Promise<void> {
  const at = await firstNonFinite(data, pace);
  const fault = at >= 0 ? { what: 'finite numbers', value: data[at]! } : parameterFault(name, data);
  if (fault !== undefined)
    throw new OneSpikeError('ERR_FORMAT', `Expected ${fault.what} in '${source}' but received ${fault.value}`);
}

function wrong(what: string, received: string): OneSpikeError {
  return new OneSpikeError('ERR_SHAPE', `Expected ${what} but received ${received}`);
}
