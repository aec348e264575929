// A graph that grows node by node.
import { expected } from '../../check';
import type { ResolvedNetwork } from '../../model/description';
import { layerName } from '../../model/layer';
import type { FloatTensor } from '../../model/parameters';
import { DATA_TYPES, type Attributes, type OnnxConstant, type OnnxGraph, type OnnxNode } from './write';

export type LayerOf = ResolvedNetwork['layers'][number];

/** The graph of one network: `pixels` uint8 (N, C, H, W) to `logits` (N, K). */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, OnnxConstant>();

  constructor(
    readonly network: ResolvedNetwork,
    private readonly parameters: ReadonlyMap<string, FloatTensor>,
  ) {}

  /** Adds a node, and returns its output. */
  add(output: string, op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    this.#nodes.push({ op, inputs, output, attributes });
    return output;
  }

  /** A node that turns its input into another type. */
  cast(output: string, input: string, to: keyof typeof DATA_TYPES): string {
    return this.add(output, 'Cast', [input], { to: DATA_TYPES[to] });
  }

  /** A constant, which is stored once under its name. */
  constant(name: string, data: Float32Array | readonly number[], shape?: readonly number[]): string {
    const numbers = data instanceof Float32Array ? data : Float32Array.from(data);
    if (!this.#constants.has(name))
      this.#constants.set(name, { name, shape: shape ?? [numbers.length], data: numbers });
    return name;
  }

  /** A number. */
  scalar(name: string, value: number): string {
    return this.constant(name, [value], []);
  }

  /** A parameter of a layer. */
  parameter(layer: number, field: string): FloatTensor {
    const name = `${layerName(layer)}.${field}`;
    const tensor = this.parameters.get(name);
    if (tensor === undefined) throw expected(`a tensor ${name}`, 'parameters', undefined);
    return tensor;
  }

  /** The constant of a parameter. */
  weights(layer: number, field: string, shape?: readonly number[]): string {
    const { shape: own, data } = this.parameter(layer, field);
    return this.constant(`${layerName(layer)}.${field}`, data, shape ?? own);
  }

  /** The products of a layer with its input, and its bias unless it is added elsewhere. */
  product(output: string, index: number, input: string, withBias: boolean): string {
    const layer = this.network.layers[index]!;
    const inputs = [
      input,
      this.weights(index, 'weight'),
      ...(withBias && layer.bias ? [this.weights(index, 'bias')] : []),
    ];
    if (layer.type === 'linear') {
      const flat = this.#isFlat(index) ? input : this.add(`${output}.flat`, 'Flatten', [input], { axis: 1 });
      return this.add(output, 'Gemm', [flat, ...inputs.slice(1)], { transB: 1 });
    }
    const { kernel, stride, padding } = layer;
    return this.add(output, 'Conv', inputs, {
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
      strides: [stride, stride],
    });
  }

  /** An average pool. */
  pool(output: string, index: number, input: string): string {
    const { kernel } = this.network.layers[index]!;
    return this.add(output, 'AveragePool', [input], { kernel_shape: [kernel, kernel], strides: [kernel, kernel] });
  }

  graph(): OnnxGraph {
    const { name, input, layers } = this.network;
    return {
      name: name === '' ? 'network' : name,
      nodes: this.#nodes,
      constants: [...this.#constants.values()],
      inputs: [{ name: 'pixels', type: 'uint8', shape: ['N', ...input] }],
      outputs: [{ name: 'logits', type: 'float', shape: ['N', layers.at(-1)!.out] }],
    };
  }

  #isFlat(index: number): boolean {
    return index > 0 && this.network.layers[index - 1]!.type === 'linear';
  }
}
