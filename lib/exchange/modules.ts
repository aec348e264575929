// The modules of a state dict, found by the names and shapes of its tensors: convolutions and linear layers in the
// order of execution, each with the normalisation that follows it.
import { didYouMean } from '../check';
import { OneSpikeError } from '../errors';
import type { SourceTensor, TensorSource } from './sources/tensor';

/** A convolution or a linear layer. */
export interface Weighted {
  /** The name of the module, `features.0`. */
  name: string;
  kind: 'conv' | 'linear';
  weight: SourceTensor;
  bias: SourceTensor | undefined;
  norm: Normalising | undefined;
}

/** A batch normalisation. Without `weight` and `bias` it only normalises. */
export interface Normalising {
  name: string;
  channels: number;
  weight: SourceTensor | undefined;
  bias: SourceTensor | undefined;
  mean: SourceTensor;
  variance: SourceTensor;
}

/** What `--map` says of a module: where it goes, or that it is left out. */
export type ModuleMap = ReadonlyMap<string, string>;

export interface Modules {
  weighted: Weighted[];
  /** The names of all modules that have tensors. */
  names: ReadonlySet<string>;
  /** Normalisations that the map puts into a layer, `layers.I`. */
  mapped: { norm: Normalising; layer: string }[];
  /** The tensors that go nowhere. */
  leftOut: SourceTensor[];
}

type Fields = Map<string, SourceTensor>;

/**
 * Errors: ERR_FORMAT for tensors that are of no layer that is known here, with how to leave them out, and for a
 * normalisation that follows no layer; ERR_ARG for a name of the map that is none.
 */
export function findModules(source: TensorSource, path: string, map: ModuleMap): Modules {
  const groups = grouped(source.tensors);
  for (const name of map.keys())
    if (!groups.has(name))
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected the name of a module of ${path} to be mapped but received '${name}'${didYouMean(name, [...groups.keys()])}`,
      );
  const weighted: Weighted[] = [];
  const norms: { norm: Normalising; before: Weighted | undefined }[] = [];
  const leftOut: SourceTensor[] = [];
  for (const [name, fields] of groups) {
    if (map.get(name) === '') {
      leftOut.push(...fields.values());
      continue;
    }
    const counter = fields.get('num_batches_tracked');
    if (counter !== undefined) leftOut.push(counter);
    const norm = normalisation(name, fields);
    if (norm !== undefined) norms.push({ norm, before: weighted.at(-1) });
    else weighted.push(weightedModule(name, fields, path));
  }
  const order = source.ordered ? weighted : byName(weighted);
  const mapped: Modules['mapped'] = [];
  for (const { norm, before } of norms) {
    const target = map.get(norm.name);
    if (target !== undefined) mapped.push({ norm, layer: target.replace(/\.norm$/, '') });
    else attach(norm, order, source.ordered ? before : undefined, path);
  }
  return { weighted: order, names: new Set(groups.keys()), mapped, leftOut };
}

/** The tensors by module, in the order of the file; a wrapper around the whole model counts for nothing. */
function grouped(tensors: readonly SourceTensor[]): Map<string, Fields> {
  const groups = new Map<string, Fields>();
  const wrapper = commonWrapper(tensors.map(({ name }) => name));
  for (const tensor of tensors) {
    const name = tensor.name.slice(wrapper.length);
    const dot = name.lastIndexOf('.');
    const module = name.slice(0, Math.max(0, dot));
    const fields = groups.get(module) ?? new Map<string, SourceTensor>();
    fields.set(name.slice(dot + 1), tensor);
    groups.set(module, fields);
  }
  return groups;
}

/** `module.` of DataParallel, `_orig_mod.` of torch.compile and the like, before every name. */
function commonWrapper(names: readonly string[]): string {
  let wrapper = '';
  for (;;) {
    const next = /^(module|_orig_mod|model|net|network)\./.exec(names[0]?.slice(wrapper.length) ?? '')?.[0];
    if (next === undefined || !names.every((name) => name.startsWith(wrapper + next))) return wrapper;
    wrapper += next;
  }
}

function normalisation(name: string, fields: Fields): Normalising | undefined {
  const mean = fields.get('running_mean');
  const variance = fields.get('running_var');
  if (mean === undefined || variance === undefined || mean.shape.length !== 1) return undefined;
  return { name, channels: mean.shape[0]!, weight: fields.get('weight'), bias: fields.get('bias'), mean, variance };
}

function weightedModule(name: string, fields: Fields, path: string): Weighted {
  const weight = fields.get('weight');
  const bias = fields.get('bias');
  const kind = weight?.shape.length === 4 ? 'conv' : weight?.shape.length === 2 ? 'linear' : undefined;
  const known = (weight === undefined ? 0 : 1) + (bias === undefined ? 0 : 1);
  if (weight !== undefined && kind !== undefined && known === fields.size)
    return { name, kind, weight, bias, norm: undefined };
  const held = [...fields.values()].map((tensor) => `${tensor.name} (${tensor.shape.join(' x ')})`).join(', ');
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected weight and bias of a two-dimensional convolution or a linear layer, or a batch normalisation, as '${name}' of ${path} but received ${held}; leave it out by --map ${name}=`,
  );
}

/**
 * Convolutions before linear layers, each in the order of the numbers in their names: other orders are not in the file.
 */
function byName(weighted: readonly Weighted[]): Weighted[] {
  const compare = new Intl.Collator('en', { numeric: true }).compare;
  const rank = ({ kind }: Weighted): number => (kind === 'conv' ? 0 : 1);
  return [...weighted].sort((a, b) => rank(a) - rank(b) || compare(a.name, b.name));
}

/** Puts a normalisation behind its layer: the one that is numbered before it, named like it, or written before it. */
function attach(norm: Normalising, weighted: readonly Weighted[], before: Weighted | undefined, path: string): void {
  const owner = numberedBefore(norm.name, weighted) ?? namedLike(norm.name, weighted) ?? before;
  if (owner === undefined || owner.norm !== undefined || owner.weight.shape[0] !== norm.channels)
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a layer of ${norm.channels} channels before the normalisation '${norm.name}' of ${path} but received ${owner === undefined ? 'none' : `'${owner.name}' of ${owner.weight.shape[0]}`}; leave it out by --map ${norm.name}=`,
    );
  owner.norm = norm;
}

function numberedBefore(name: string, weighted: readonly Weighted[]): Weighted | undefined {
  const place = sequence(name);
  if (place === undefined) return undefined;
  const wanted = `${place.parent}${place.index - 1}`;
  return weighted.find((module) => module.name === wanted);
}

function namedLike(name: string, weighted: readonly Weighted[]): Weighted | undefined {
  const own = name.replace(/(batch_?norm|norm|bn)(?!.*(batch_?norm|norm|bn))/i, '*');
  return weighted.find((module) => module.name.replace(/(conv|linear|fc)(?!.*(conv|linear|fc))/i, '*') === own);
}

/** The place of a module in a `torch.nn.Sequential`. */
export interface NumberedModule {
  /** What stands before the number, `features.`. */
  parent: string;
  index: number;
}

/** The number of a module of a `torch.nn.Sequential`, which counts its modules, those without tensors too. */
export function sequence(name: string): NumberedModule | undefined {
  const match = /^(.*\.)?(\d+)$/.exec(name);
  return match === null ? undefined : { parent: match[1] ?? '', index: Number(match[2]) };
}
