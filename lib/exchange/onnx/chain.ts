// The layers of an ONNX model that is one chain of operations from the image to the logits.
import { OneSpikeError } from '../../errors';
import type { LayerDescription } from '../../model/description';
import type { OnnxInput, OnnxModel, OnnxOperation, OnnxTensor } from './read';

/** A weighted layer, or an average pool, with the operations that belong to it. */
export interface ChainLayer {
  /** The node that it begins with. */
  node: OnnxOperation;
  layer: LayerDescription;
  weight?: OnnxTensor;
  /** Whether the weights are (in, out), as those of MatMul. */
  transposed?: boolean;
  bias?: OnnxTensor;
  norm?: { node: OnnxOperation; tensors: OnnxTensor[]; epsilon: number };
  activated?: boolean;
  /** A pool over the whole map, whose side is not known yet. */
  global?: boolean;
  /** A pool whose windows fill the map, or it would be padded. */
  fills?: boolean;
}

/** A product or a sum on the image before the first layer. */
export interface ImageStep {
  op: 'Add' | 'Sub' | 'Mul' | 'Div';
  constant: OnnxTensor;
}

export interface Chain {
  steps: ImageStep[];
  layers: ChainLayer[];
  /** The nodes that were pools of maxima. */
  maxima: string[];
}

export interface ChainOptions {
  /** Whether a pool of maxima becomes one of averages; else it is refused. */
  averageMaxima: boolean;
  path: string;
}

/**
 * Follows the operations from the image on.
 * Errors: ERR_FORMAT for an operation that no layer of onespike computes, with its name and that of its node, and for a
 * graph that is no chain.
 */
export function readChain(model: OnnxModel, { name: input, shape }: OnnxInput, options: ChainOptions): Chain {
  const reader = new ChainReader(model, options, shape[0]);
  let last = input;
  for (const node of ordered(model, input, options.path)) {
    reader.take(node, last);
    last = node.outputs[0]!;
  }
  if (!model.outputs.includes(last))
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected one chain of operations for ${options.path} but received one that ends at '${last}', which is no output`,
    );
  return reader.chain;
}

/** The nodes that take the image, one after the other; constants are none of them. */
function ordered(model: OnnxModel, input: string, path: string): OnnxOperation[] {
  const readers = new Map<string, OnnxOperation[]>();
  for (const node of model.nodes)
    for (const name of new Set(node.inputs)) {
      const known = readers.get(name);
      if (known === undefined) readers.set(name, [node]);
      else known.push(node);
    }
  const chain: OnnxOperation[] = [];
  for (let last = input; ; ) {
    const next = readers.get(last) ?? [];
    if (next.length === 0) return chain;
    if (next.length > 1 || chain.length > model.nodes.length)
      throw new OneSpikeError(
        'ERR_FORMAT',
        `Expected one chain of operations for ${path} but received '${last}' read by ${next
          .slice(0, 3)
          .map(({ name, op }) => `${op} '${name}'`)
          .join(' and ')}`,
      );
    chain.push(next[0]!);
    last = next[0]!.outputs[0] ?? '';
  }
}

class ChainReader {
  readonly chain: Chain = { steps: [], layers: [], maxima: [] };
  readonly #constants: ReadonlyMap<string, OnnxTensor>;

  constructor(
    model: OnnxModel,
    private readonly options: ChainOptions,
    /** The number of images that it takes at once, where it says so. */
    private readonly batch: number | undefined,
  ) {
    const nodes = model.nodes.flatMap((node): [string, OnnxTensor][] => {
      const tensor = node.op === 'Constant' ? node.attributes.get('value')?.tensor : undefined;
      return tensor === undefined ? [] : [[node.outputs[0] ?? '', tensor]];
    });
    this.#constants = new Map([...model.constants, ...nodes]);
  }

  /** Adds a node that reads `last`. */
  take(node: OnnxOperation, last: string): void {
    const known: Readonly<Record<string, () => void>> = {
      Conv: () => this.#convolution(node, last),
      Gemm: () => this.#gemm(node, last),
      MatMul: () => this.#matMul(node, last),
      Add: () => this.#arithmetic(node, last, 'Add'),
      Sub: () => this.#arithmetic(node, last, 'Sub'),
      Mul: () => this.#arithmetic(node, last, 'Mul'),
      Div: () => this.#arithmetic(node, last, 'Div'),
      Relu: () => this.#relu(node),
      BatchNormalization: () => this.#normalisation(node),
      AveragePool: () => this.#pool(node),
      MaxPool: () => this.#maximum(node),
      GlobalAveragePool: () => void this.chain.layers.push({ node, layer: { type: 'avgpool' }, global: true }),
      Flatten: () => this.#require(node, (node.attributes.get('axis')?.integer ?? 1) === 1, 'axis 1'),
      Reshape: () => this.#reshape(node),
      Cast: () => this.#cast(node),
      Dropout: () => undefined,
      Identity: () => undefined,
    };
    const take = Object.hasOwn(known, node.op) ? known[node.op] : undefined;
    if (take === undefined)
      throw this.#fault(node, `one of ${Object.keys(known).join(', ')}`, node.op || 'an operation without a name');
    take();
  }

  #convolution(node: OnnxOperation, last: string): void {
    const [weight, bias] = this.#operands(node, last);
    const [out, , height, width] = weight!.shape;
    this.#require(node, weight!.shape.length === 4 && height === width, 'a square kernel');
    this.#require(node, (node.attributes.get('group')?.integer ?? 1) === 1, 'group 1');
    this.#windows(node);
    const sides = node.attributes.get('kernel_shape')?.integers ?? [height, width];
    this.#require(node, sides[0] === height && sides[1] === width, 'a kernel_shape as that of its weights');
    const stride = this.#equal(node, 'strides', 1);
    const auto = paddingOf(node);
    const same = SAME.includes(auto) && stride === 1 && height! % 2 === 1;
    this.#require(
      node,
      same || auto === 'NOTSET' || auto === 'VALID',
      'auto_pad NOTSET, or SAME with stride 1 and an odd kernel',
    );
    const padding = same ? (height! - 1) / 2 : auto === 'VALID' ? 0 : this.#equal(node, 'pads', 0);
    this.#push(node, { type: 'conv', out: out!, kernel: height!, stride, padding }, weight!, bias);
  }

  #gemm(node: OnnxOperation, last: string): void {
    const [weight, bias] = this.#operands(node, last);
    const number = (name: string): number => node.attributes.get(name)?.float ?? 1;
    this.#require(node, number('alpha') === 1 && number('beta') === 1, 'alpha and beta of 1');
    this.#require(node, (node.attributes.get('transA')?.integer ?? 0) === 0, 'transA 0');
    const transposed = (node.attributes.get('transB')?.integer ?? 0) === 0;
    this.#linear(node, weight!, transposed, bias);
  }

  #matMul(node: OnnxOperation, last: string): void {
    this.#linear(node, this.#operands(node, last)[0]!, true, undefined);
  }

  #linear(node: OnnxOperation, weight: OnnxTensor, transposed: boolean, bias: OnnxTensor | undefined): void {
    this.#require(node, weight.shape.length === 2, 'a matrix of weights');
    this.#push(node, { type: 'linear', out: weight.shape[transposed ? 1 : 0]! }, weight, bias);
    this.chain.layers.at(-1)!.transposed = transposed;
  }

  #push(node: OnnxOperation, layer: LayerDescription, weight: OnnxTensor, bias: OnnxTensor | undefined): void {
    const before = this.#weighted();
    this.#require(
      node,
      before === undefined || before.activated === true,
      `a Relu between it and '${before?.node.name}'`,
    );
    this.chain.layers.push({ node, layer, weight, ...(bias === undefined ? {} : { bias }) });
  }

  /** Arithmetic on the image, or the bias of the layer before. */
  #arithmetic(node: OnnxOperation, last: string, op: ImageStep['op']): void {
    const [constant] = this.#operands(node, last);
    if (this.chain.layers.length === 0) {
      this.#require(node, op === 'Add' || op === 'Mul' || node.inputs[0] === last, 'the image as its first input');
      this.chain.steps.push({ op, constant: constant! });
      return;
    }
    const layer = this.#open(node);
    this.#require(node, op === 'Add' && layer.bias === undefined && layer.norm === undefined, 'the bias of a layer');
    const { out } = layer.layer;
    const count = constant!.shape.reduce((product, side) => product * side, 1);
    const at = layer.layer.type === 'conv' ? constant!.shape.at(-3) : constant!.shape.at(-1);
    this.#require(node, count === out && at === out, `a bias of ${out} channels`);
    layer.bias = constant!;
  }

  #relu(node: OnnxOperation): void {
    this.#open(node).activated = true;
  }

  #normalisation(node: OnnxOperation): void {
    const layer = this.#open(node);
    this.#require(node, layer.norm === undefined, 'one normalisation of a layer');
    this.#require(node, (node.attributes.get('training_mode')?.integer ?? 0) === 0, 'training_mode 0');
    const tensors = node.inputs.slice(1).map((name) => this.#constant(node, name));
    this.#require(node, tensors.length === 4, 'four constants');
    layer.norm = { node, tensors, epsilon: node.attributes.get('epsilon')?.float ?? 1e-5 };
  }

  #pool(node: OnnxOperation): void {
    this.#windows(node);
    const kernel = this.#equal(node, 'kernel_shape', NaN);
    this.#require(node, kernel >= 1, 'a kernel_shape above 0');
    this.#require(node, this.#equal(node, 'strides', 1) === kernel, 'strides as large as its window');
    this.#require(node, this.#equal(node, 'pads', 0) === 0, 'pads of 0');
    this.#require(node, (node.attributes.get('ceil_mode')?.integer ?? 0) === 0, 'ceil_mode 0');
    const auto = paddingOf(node);
    const fills = SAME.includes(auto);
    this.#require(node, fills || auto === 'NOTSET' || auto === 'VALID', 'auto_pad NOTSET, VALID or SAME');
    // An adaptive pool that has nothing to do is written as one of a single pixel.
    if (kernel > 1) this.chain.layers.push({ node, layer: { type: 'avgpool', kernel }, fills });
  }

  #maximum(node: OnnxOperation): void {
    if (!this.options.averageMaxima)
      throw this.#fault(node, 'average pools (--max-pool average makes them of these)', 'MaxPool');
    this.chain.maxima.push(node.name);
    this.#pool(node);
  }

  /** A map may become a vector, and nothing else. */
  #reshape(node: OnnxOperation): void {
    const shape = this.#constant(node, node.inputs[1] ?? '').integers();
    this.#require(node, shape.length === 2, 'a vector as result');
    const [images, values] = shape as [number, number];
    const open = shape.filter((side) => side === -1).length;
    this.#require(node, open <= 1 && images >= -1 && values >= -1 && values !== 0, 'sizes of a vector');
    this.#require(node, images <= 1 || images === this.batch, 'a vector of each image');
    this.#require(node, images !== 0 || (node.attributes.get('allowzero')?.integer ?? 0) === 0, 'allowzero 0');
  }

  /** The image as floats. */
  #cast(node: OnnxOperation): void {
    this.#require(node, this.chain.layers.length === 0, 'the image as its input');
    this.#require(node, FLOATS.includes(node.attributes.get('to')?.integer ?? 0), 'floats as result');
  }

  /** What windows over two dimensions have. */
  #windows(node: OnnxOperation): void {
    for (const [name, entries] of WINDOW_LISTS) {
      const list = node.attributes.get(name)?.integers;
      this.#require(node, list === undefined || list.length === entries, `${entries} ${name}`);
    }
    this.#require(node, ones(node, 'dilations'), 'dilations of 1');
  }

  /** The last layer, while operations belong to it. */
  #open(node: OnnxOperation): ChainLayer {
    const layer = this.chain.layers.at(-1);
    if (layer?.weight === undefined || layer.activated === true)
      throw this.#fault(node, `a convolution or a linear layer before ${node.op}`, layer?.node.op ?? 'the image');
    return layer;
  }

  #weighted(): ChainLayer | undefined {
    return this.chain.layers.findLast(({ weight }) => weight !== undefined);
  }

  /** The constants that a node takes beside `last`. */
  #operands(node: OnnxOperation, last: string): OnnxTensor[] {
    const others = node.inputs.filter((name) => name !== last && name !== '');
    if (others.length === 0) throw this.#fault(node, 'a constant', 'none');
    return others.map((name) => this.#constant(node, name));
  }

  #constant(node: OnnxOperation, name: string): OnnxTensor {
    const found = this.#constants.get(name);
    if (found === undefined) throw this.#fault(node, 'constants beside the chain', `'${name}', which is computed`);
    return found;
  }

  /** The number that all entries of a list have. */
  #equal(node: OnnxOperation, name: string, otherwise: number): number {
    const list = node.attributes.get(name)?.integers ?? [];
    const value = list[0] ?? otherwise;
    this.#require(node, list.every((entry) => entry === value) && Number.isInteger(value), `equal ${name}`);
    return value;
  }

  #require(node: OnnxOperation, holds: boolean, what: string): void {
    if (!holds) throw this.#fault(node, what, 'another one');
  }

  #fault(node: OnnxOperation, what: string, received: string): OneSpikeError {
    return new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} for ${node.op} '${node.name}' of ${this.options.path} but received ${received}`,
    );
  }
}

const SAME: readonly string[] = ['SAME_UPPER', 'SAME_LOWER'];
const paddingOf = (node: OnnxOperation): string => node.attributes.get('auto_pad')?.text ?? 'NOTSET';
/** The entries of lists of a window over two dimensions. */
const WINDOW_LISTS = [
  ['kernel_shape', 2],
  ['strides', 2],
  ['dilations', 2],
  ['pads', 4],
] as const;
/** TensorProto.DataType of floats of 32, 16, 64 and 16 bits. */
const FLOATS: readonly number[] = [1, 10, 11, 16];

function ones(node: OnnxOperation, name: string): boolean {
  return (node.attributes.get(name)?.integers ?? []).every((value) => value === 1);
}
