// A network as a graph of NIR, the Neuromorphic Intermediate Representation: nodes by name, and the chain of them.
import type { ResolvedNetwork } from '../../model/description';
import { isPool, layerName } from '../../model/layer';
import type { FloatTensor } from '../../model/parameters';
import { layerShapes, type MapShape } from '../../model/shapes';
import { elements } from '../sources/tensor';
import { floatValue, integerValue, textValue, type HdfArray, type HdfGroup } from '../../io/hdf5/values';

/** The version of NIR whose nodes these are. */
const NIR_VERSION = '1.0.7';
/** The metadata entry of the graph that holds what NIR cannot express. */
export const METADATA = 'onespike';
/** The duration of a step in seconds that simulators of NIR take by default. */
export const STEP_SECONDS = 1e-4;

/** The graph of a network. `extra`: further fields of the metadata. */
export function nirGraph(network: ResolvedNetwork, tensors: ReadonlyMap<string, FloatTensor>, extra: object): HdfGroup {
  const nodes: HdfGroup = new Map();
  nodes.set('input', end('Input', network.input));
  const exact: Record<string, Record<string, number | number[]>> = {};
  let flat = false;
  let out: readonly number[] = network.input;
  for (const shape of layerShapes(network)) {
    const layer = network.layers[shape.layer]!;
    const name = layerName(shape.layer);
    const take = (of: string): FloatTensor | undefined => tensors.get(`${name}.${of}`);
    if (isPool(layer.type)) {
      nodes.set(name, pool(layer.kernel));
      continue;
    }
    if (layer.type === 'linear' && !flat) {
      nodes.set('flatten', flatten(shape.in));
      flat = true;
    }
    const weight = take('weight')!;
    nodes.set(
      name,
      layer.type === 'conv' ? convolution(layer, shape.in, weight, take('bias')) : linear(weight, take('bias')),
    );
    out = layer.type === 'conv' ? shape.out : [layer.out];
    const [threshold, leak] = [take('threshold')!.data[0]!, take('leak')!.data[0]!];
    nodes.set(`${name}.neuron`, neuron(out, threshold, leak));
    exact[name] = { threshold, leak };
    for (const schedule of ['kappa', 'theta']) {
      const values = take(schedule)?.data;
      if (values !== undefined) exact[name]![schedule] = [...values];
    }
  }
  nodes.set('output', end('Output', out));
  const names = [...nodes.keys()];
  const edges = names.slice(1).flatMap((name, i) => [names[i]!, name]);
  const described = JSON.stringify({ format: 1, network, neurons: exact, ...extra });
  const graph: HdfGroup = new Map();
  graph.set('edges', { shape: [edges.length / 2, 2], data: edges });
  graph.set('metadata', new Map([[METADATA, textValue(described)]]));
  graph.set('nodes', nodes).set('type', textValue('NIRGraph'));
  return new Map<string, HdfArray | HdfGroup>([
    ['version', textValue(NIR_VERSION)],
    ['node', graph],
  ]);
}

function end(type: 'Input' | 'Output', shape: readonly number[]): HdfGroup {
  return new Map([
    ['shape', integerValue(shape)],
    ['type', textValue(type)],
  ]);
}

function pool(kernel: number): HdfGroup {
  return new Map([
    ['kernel_size', integerValue([kernel, kernel])],
    ['padding', integerValue([0, 0])],
    ['stride', integerValue([kernel, kernel])],
    ['type', textValue('AvgPool2d')],
  ]);
}

/** NIR counts dimensions without that of the images. */
function flatten(shape: MapShape): HdfGroup {
  return new Map([
    ['end_dim', integerValue([-1], [])],
    ['input_type', integerValue(shape)],
    ['start_dim', integerValue([0], [])],
    ['type', textValue('Flatten')],
  ]);
}

/** A convolution has a bias in NIR: zeros where the layer has none. */
function convolution(
  { stride, padding }: { stride: number; padding: number },
  [, height, width]: MapShape,
  { shape, data }: FloatTensor,
  bias: FloatTensor | undefined,
): HdfGroup {
  return new Map([
    ['bias', floatValue(bias?.data ?? new Float32Array(shape[0]!))],
    ['dilation', integerValue([1, 1])],
    ['groups', integerValue([1], [])],
    ['input_shape', integerValue([height, width])],
    ['padding', integerValue([padding, padding])],
    ['stride', integerValue([stride, stride])],
    ['weight', floatValue(data, shape)],
    ['type', textValue('Conv2d')],
  ]);
}

function linear({ shape, data }: FloatTensor, bias: FloatTensor | undefined): HdfGroup {
  const node: HdfGroup = new Map([['weight', floatValue(data, shape)]]);
  if (bias !== undefined) node.set('bias', floatValue(bias.data));
  return node.set('type', textValue(bias === undefined ? 'Linear' : 'Affine'));
}

/**
 * U(t) = leak U(t-1) + I(t) is one step of tau dv/dt = -v + r I by Euler's method where leak = 1 - dt/tau and r =
 * tau/dt; without a leak it is an integrator whose step adds r I with r = 1. That a neuron fires once is metadata.
 */
function neuron(shape: readonly number[], threshold: number, leak: number): HdfGroup {
  const count = elements(shape);
  const all = (value: number): HdfArray => floatValue(new Float32Array(count).fill(value), shape);
  const metadata: HdfGroup = new Map([['single_spike', integerValue([1], [])]]);
  const common: HdfGroup = new Map();
  common.set('metadata', metadata).set('v_reset', all(0)).set('v_threshold', all(threshold));
  if (leak === 1) return common.set('r', all(1)).set('type', textValue('IF'));
  const steps = 1 / (1 - leak);
  return common
    .set('r', all(steps))
    .set('tau', all(STEP_SECONDS * steps))
    .set('v_leak', all(0))
    .set('type', textValue('LIF'));
}
