// Where the pools are: a state dict does not hold them. They come from the numbers of the modules, which count those
// without tensors too, or from the VGG network that is named.
import { OneSpikeError } from '../errors';
import { VGG, type VggName } from '../model/vgg';
import { sequence, type Modules, type NumberedModule, type Weighted } from './modules';

/** A layer of the list: a weighted one, or an average pool of 2 x 2. */
export type Place = 'conv' | 'linear' | 'pool';

export interface Layout {
  places: Place[];
  /** The shape of an image. */
  input: [number, number, number];
  /** Where the pools were read from, in words; undefined if there are none. */
  pools: string | undefined;
  /**
   * The side of the map that the first linear layer was trained on, if it is not that of the network's: an adaptive
   * pool lies between.
   */
  adaptive: number | undefined;
}

const advice = '--model takes a file with the layers, or the name of a VGG network';

/**
 * The layout of convolutions followed by linear layers. `input` is the shape of an image, if it is known; else it is
 * the one that the first linear layer fits, if that can be told. Errors: ERR_FORMAT where the pools cannot be told,
 * ERR_SHAPE where the first linear layer fits no image, or not this one, ERR_ARG where the image must be named.
 */
export function layoutOf(
  { weighted, names }: Modules,
  path: string,
  input: readonly number[] | undefined,
  preset: VggName | undefined,
): Layout {
  const convolutions = weighted.filter(({ kind }) => kind === 'conv');
  const linear = weighted.filter(({ kind }) => kind === 'linear');
  const first = linear[0];
  if (first === undefined)
    throw new OneSpikeError('ERR_FORMAT', `Expected a linear layer at the end for ${path} but received none`);
  const last = convolutions.at(-1);
  if (last === undefined) return flatLayout(linear, path, input);
  const inner =
    preset === undefined ? numberedPools(convolutions, names, path) : presetPools(preset, convolutions, path);
  const channels = last.weight.shape[0]!;
  const side = Math.sqrt(first.weight.shape[1]! / channels);
  if (!Number.isInteger(side))
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected a square map of ${channels} channels for '${first.name}' of ${path} but received ${first.weight.shape[1]} inputs; ${advice}`,
    );
  const count = inner.places.filter((place) => place === 'pool').length;
  if (input === undefined && inner.trailing === undefined) {
    const edges = [0, 1].map((more) => side * 2 ** (count + more)).map((edge) => `${edge} x ${edge}`);
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected the shape of an image as input (--input) for ${path} but received none: its first linear layer fits ${edges[0]}, and ${edges[1]} with a pool after the last convolution`,
    );
  }
  const ends = endOf(inner, count, side, input);
  if (ends === undefined)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected an image whose map has ${side} x ${side} pixels before '${first.name}' of ${path} but received ${input!.join(' x ')}, after ${count} pools; ${advice}`,
    );
  const pooled = count + (ends.trailing ? 1 : 0);
  const edge = side * 2 ** pooled;
  return {
    places: [...inner.places, ...(ends.trailing ? (['pool'] as const) : []), ...linear.map(() => 'linear' as const)],
    input: shapeOf(input ?? [convolutions[0]!.weight.shape[1]!, edge, edge]),
    pools: pooled === 0 ? undefined : inner.from,
    adaptive: ends.adaptive ? side : undefined,
  };
}

interface Inner {
  places: Place[];
  from: string;
  /** Whether a pool ends the convolutions; undefined where it cannot be told. */
  trailing: boolean | undefined;
  /** Whether an adaptive pool to 7 x 7 may follow, as in the VGG networks of torchvision. */
  torchvision: boolean;
}

/**
 * Whether a pool ends the convolutions, and whether the map that it leaves is resized; undefined if the image does not
 * fit.
 */
function endOf(
  { trailing, torchvision }: Inner,
  pools: number,
  side: number,
  input: readonly number[] | undefined,
): { trailing: boolean; adaptive: boolean } | undefined {
  if (input === undefined) return { trailing: trailing === true, adaptive: false };
  const left = (count: number): boolean => input.slice(1).every((edge) => Math.floor(edge / 2 ** count) === side);
  const ends = trailing === undefined ? [false, true] : [trailing];
  const found = ends.find((end) => left(pools + (end ? 1 : 0)));
  if (found !== undefined) return { trailing: found, adaptive: false };
  return torchvision && side === 7 ? { trailing: true, adaptive: true } : undefined;
}

/**
 * The pools of a `torch.nn.Sequential`: of the numbers between two convolutions, those without tensors are ReLU and, if
 * there is another one, a pool.
 */
function numberedPools(convolutions: readonly Weighted[], names: ReadonlySet<string>, path: string): Inner {
  const places: Place[] = [];
  for (const [i, { name }] of convolutions.entries()) {
    places.push('conv');
    const next = convolutions[i + 1];
    if (next === undefined) break;
    const from = sequence(name);
    const to = sequence(next.name);
    const pools = from === undefined || to === undefined ? NaN : unnamed(from, to, names) - 1;
    if (pools !== 0 && pools !== 1)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected the numbers of a torch.nn.Sequential, from which the places of pools are read, for ${path} but received '${name}' before '${next.name}'; ${advice}`,
      );
    if (pools === 1) places.push('pool');
  }
  const torchvision = isTorchvision(places);
  return { places, from: 'the numbers of the modules', trailing: torchvision ? true : undefined, torchvision };
}

/** The modules without tensors between two of one sequence; NaN for those of different ones. */
function unnamed(from: NumberedModule, to: NumberedModule, names: ReadonlySet<string>): number {
  if (from.parent !== to.parent) return NaN;
  let count = 0;
  for (let i = from.index + 1; i < to.index && count < 3; i++) if (!names.has(`${from.parent}${i}`)) count++;
  return count;
}

/**
 * The convolutions and pools of VGG-11, 13, 16 and 19 of torchvision, as the number of convolutions before each pool.
 */
const TORCHVISION: readonly (readonly number[])[] = [
  [1, 1, 2, 2, 2],
  [2, 2, 2, 2, 2],
  [2, 2, 3, 3, 3],
  [2, 2, 4, 4, 4],
];

function isTorchvision(places: readonly Place[]): boolean {
  const runs = places
    .map((place) => (place === 'pool' ? '|' : '-'))
    .join('')
    .split('|')
    .map((run) => run.length);
  return TORCHVISION.some((known) => known.join() === runs.join());
}

function presetPools(preset: VggName, convolutions: readonly Weighted[], path: string): Inner {
  const places = VGG[preset].map((entry): Place => (entry === 'A' ? 'pool' : 'conv'));
  const wanted = places.filter((place) => place === 'conv').length;
  if (wanted !== convolutions.length)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected ${wanted} convolutions (${preset}) for ${path} but received ${convolutions.length}`,
    );
  return { places, from: preset, trailing: false, torchvision: false };
}

/** Linear layers alone take an image of one channel, square if their inputs allow. */
function flatLayout(linear: readonly Weighted[], path: string, input: readonly number[] | undefined): Layout {
  const count = linear[0]!.weight.shape[1]!;
  const side = Math.sqrt(count);
  const shape = shapeOf(input ?? (Number.isInteger(side) ? [1, side, side] : [count, 1, 1]));
  if (shape[0] * shape[1] * shape[2] !== count)
    throw new OneSpikeError(
      'ERR_SHAPE',
      `Expected an image of ${count} numbers for ${path} but received ${shape.join(' x ')}`,
    );
  return { places: linear.map(() => 'linear'), input: shape, pools: undefined, adaptive: undefined };
}

function shapeOf(input: readonly number[]): [number, number, number] {
  return [input[0]!, input[1]!, input[2]!];
}
