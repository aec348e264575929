// An ONNX model as a network of onespike: the layers of its chain, their numbers, and the normalisation of the image.
import { basename } from 'node:path';

import { defined } from '../../check';
import { OneSpikeError } from '../../errors';
import type { InputFile } from '../../io/binary/input-file';
import { resolveNetwork, type LayerDescription } from '../../model/description';
import { NORM_EPSILON } from '../../model/fold';
import { NORM_TENSORS, type FloatTensor } from '../../model/parameters';
import { Pace } from '../../model/scan';
import { convolvedSide, parameterShapes } from '../../model/shapes';
import type { ImportedModel, ImportOptions } from '../import';
import { checkNumbers, type ImportedTensor } from '../place';
import { readChain, type ChainLayer } from './chain';
import { normalisationOf } from './normalisation';
import { readOnnx, type OnnxInput, type OnnxModel, type OnnxTensor } from './read';

/** Errors: ERR_FORMAT for an operation that is not known, by the name of its node; ERR_SHAPE, ERR_ARG. */
export async function importOnnx(file: InputFile, given: ImportOptions): Promise<ImportedModel> {
  const { path } = file;
  if (given.model !== undefined || given.map !== undefined)
    throw new OneSpikeError(
      'ERR_ARG',
      `Expected neither model nor map for ${path} but received one: an ONNX model has its layers in it`,
    );
  const model = await readOnnx(file);
  const image = imageOf(model, path);
  const chain = readChain(model, image, { averageMaxima: given.maxPool === 'average', path });
  const input = given.input ?? inputShape(image, path);
  const { timesteps, mean, std, name } = given;
  const normalisation = await normalisationOf(chain.steps, image, input[0], path);
  const network = resolveNetwork({
    name: basename(path).replace(/\.[^.]*$/, ''),
    timesteps: 5,
    // As in the presets (lib/train/config/presets.ts).
    beta: 0,
    ...normalisation,
    ...defined({ timesteps, mean, std, name }),
    input,
    layers: describe(chain.layers, input, path),
  });
  const tensors = new Map<string, FloatTensor>();
  const table: ImportedTensor[] = [];
  const pace = new Pace();
  for (const { name: target, shape } of parameterShapes(network)) {
    const [, index, field] = /^layers\.(\d+)\.(.*)$/.exec(target)!;
    const { layer: described, ...layer } = chain.layers[Number(index)]!;
    const { threshold, leak } = network.layers[Number(index)]!;
    if (field === 'threshold' || field === 'leak') {
      tensors.set(target, { shape: [], data: Float32Array.of(field === 'leak' ? leak! : threshold!) });
      continue;
    }
    const { source, data } = await numbersOf(layer, field!);
    if (data.length !== shape.reduce((product, side) => product * side, 1))
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected shape ${shape.join(' x ')} for ${target} but received ${source.shape.join(' x ')} of '${source.name}'`,
      );
    await checkNumbers(target, source.name, data, pace);
    tensors.set(target, { shape: [...shape], data });
    table.push({ source: source.name, target, shape: source.shape, dtype: source.dtype });
  }
  return { format: 'onnx', network, tensors, table, warnings: warningsOf(chain.maxima, normalisation, given, image) };
}

/** The only input that is no constant. */
function imageOf({ inputs, constants }: OnnxModel, path: string): OnnxInput {
  const open = inputs.filter(({ name }) => !constants.has(name));
  if (open.length === 1) return open[0]!;
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected one input for ${path} but received ${open.length === 0 ? 'none' : open.map(({ name }) => `'${name}'`).join(', ')}`,
  );
}

function inputShape({ name, shape }: OnnxInput, path: string): [number, number, number] {
  const [channels, height, width] = shape.slice(1);
  const known = shape.length === 4 && [channels, height, width].every((side) => side !== undefined && side > 0);
  if (known) return [channels!, height!, width!];
  throw new OneSpikeError(
    'ERR_ARG',
    `Expected the shape of an image as input (--input) for ${path} but received none: '${name}' is ${shape.map((side) => side ?? 'free').join(' x ')}`,
  );
}

/** The layer list; the pools over a whole map get its side, and the last layer is the output. */
function describe(layers: readonly ChainLayer[], input: readonly number[], path: string): LayerDescription[] {
  const last = layers.at(-1);
  if (last?.layer.type !== 'linear' || last.activated === true || last.norm !== undefined)
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected a linear layer without ReLU and normalisation at the end for ${path} but received ${last === undefined ? 'no layers' : `what follows ${last.node.op} '${last.node.name}'`}`,
    );
  let [, height, width] = input as [number, number, number];
  return layers.map(({ layer, bias, norm, global = false, fills = false, node }): LayerDescription => {
    if (global && height !== width)
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected a square map for ${node.op} '${node.name}' of ${path} but received ${height} x ${width}`,
      );
    const full = global ? { ...layer, kernel: height } : layer;
    const { type, kernel = 1, stride = 1, padding = 0 } = full;
    if (fills && (height % kernel !== 0 || width % kernel !== 0))
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected a map that windows of ${kernel} x ${kernel} fill for ${node.op} '${node.name}' of ${path} ` +
          `but received ${height} x ${width}`,
      );
    if (type === 'avgpool') [height, width] = [Math.floor(height / kernel), Math.floor(width / kernel)];
    if (type === 'conv')
      [height, width] = [convolvedSide(height, kernel, stride, padding), convolvedSide(width, kernel, stride, padding)];
    if (type === 'avgpool') return full;
    const output = layer === last.layer ? { output: true } : {};
    return { ...full, bias: bias !== undefined, ...(norm ? { norm: 'batch' as const } : {}), ...output };
  });
}

/** The numbers of a parameter, in PyTorch's layout. */
async function numbersOf(
  { weight, transposed = false, bias, norm }: Omit<ChainLayer, 'layer'>,
  field: string,
): Promise<{ source: OnnxTensor; data: Float32Array }> {
  if (field === 'weight') {
    const data = await weight!.floats();
    return { source: weight!, data: transposed ? transpose(data, weight!.shape[1]!) : data };
  }
  if (field === 'bias') return { source: bias!, data: await bias!.floats() };
  const { tensors, epsilon } = norm!;
  // ONNX and onespike have the four in the same order.
  const source = tensors[(NORM_TENSORS as readonly string[]).indexOf(field)]!;
  const data = await source.floats();
  if (field !== 'norm.weight' || Math.fround(epsilon) === Math.fround(NORM_EPSILON)) return { source, data };
  // Another epsilon becomes part of the factor.
  const variance = await tensors[3]!.floats();
  return {
    source,
    data: data.map((factor, c) => factor * Math.sqrt((variance[c]! + NORM_EPSILON) / (variance[c]! + epsilon))),
  };
}

/** Rows (in, out) as rows (out, in). */
function transpose(data: Float32Array, columns: number): Float32Array {
  const rows = data.length / columns;
  const turned = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) turned[column * rows + row] = data[row * columns + column]!;
  return turned;
}

function warningsOf(
  maxima: readonly string[],
  normalisation: object,
  { mean, std }: ImportOptions,
  { name }: OnnxInput,
): string[] {
  const warnings: string[] = [];
  if (maxima.length > 0)
    warnings.push(
      `${maxima.length} pools of maxima (${maxima.slice(0, 4).join(', ')}) became average pools: the network computes something else until it is trained`,
    );
  if (Object.keys(normalisation).length === 0 && (mean === undefined || std === undefined))
    warnings.push(
      `the model takes '${name}' as it is normalised outside: mean and std of this network are not in the file (--mean, --std)`,
    );
  return warnings;
}
