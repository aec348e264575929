// The layers that the nodes of a NIR chain become.
import type { FloatTensor } from '../../model/parameters';
import type { NirNode } from './nodes';

/** A layer of a description, and its tensors by their names after that of the layer. */
export interface FoundLayer {
  layer: { type: 'conv' | 'avgpool' | 'linear'; out?: number; [field: string]: unknown };
  tensors: Map<string, { source: string; tensor: FloatTensor }>;
}

/** The layers of a chain from Input to Output; `dt` is the duration of a step in seconds. Errors: ERR_FORMAT. */
export function layersOf(chain: readonly NirNode[], dt: number): FoundLayer[] {
  const layers: FoundLayer[] = [];
  // The weighted layer whose neuron comes next.
  let open: { layer: FoundLayer; node: NirNode } | undefined;
  for (const node of chain.slice(1)) {
    const { type } = node;
    if (type === 'LIF' || type === 'IF' || type === 'LI' || type === 'I') {
      if (open === undefined)
        throw node.damaged('a neuron right after a convolution or a linear layer', 'one elsewhere');
      addNeuron(open.layer, node, dt);
      open = undefined;
      continue;
    }
    if (open !== undefined) throw node.damaged(`a neuron after '${open.node.name}'`, type);
    if (type === 'Output' || type === 'Flatten') continue;
    const layer = type === 'Conv2d' ? convolution(node) : type === 'AvgPool2d' ? pool(node) : linear(node);
    layers.push(layer);
    if (type !== 'AvgPool2d') open = { layer, node };
  }
  return layers;
}

const tensorOf = (node: NirNode, field: string): { source: string; tensor: FloatTensor } => ({
  source: `${node.name}.${field}`,
  tensor: node.floats(field),
});

/** One number for both sides. */
function square(node: NirNode, field: string): number {
  const [first, second] = node.pair(field);
  if (first !== second) throw node.damaged(`the same ${field} on both sides`, `${first} and ${second}`);
  return first;
}

function only(node: NirNode, field: string, value: number): void {
  const found = square(node, field);
  if (found !== value) throw node.damaged(`${field} ${value}`, String(found));
}

function convolution(node: NirNode): FoundLayer {
  const weight = tensorOf(node, 'weight');
  const bias = tensorOf(node, 'bias');
  const [out, , height, width] = weight.tensor.shape;
  if (weight.tensor.shape.length !== 4 || height !== width)
    throw node.damaged('weights (outputs, inputs, k, k)', `[${weight.tensor.shape.join(', ')}]`);
  only(node, 'dilation', 1);
  only(node, 'groups', 1);
  const stride = square(node, 'stride');
  const layer = { type: 'conv' as const, out: out!, kernel: height!, stride, padding: paddingOf(node, height!) };
  return {
    layer: { ...layer, bias: bias.tensor.data.some((value) => value !== 0) },
    tensors: new Map([
      ['weight', weight],
      ['bias', bias],
    ]),
  };
}

/** Zeros around the map, which may be a word. */
function paddingOf(node: NirNode, kernel: number): number {
  if (typeof node.array('padding').data[0] !== 'string') return square(node, 'padding');
  const word = node.text('padding');
  if (word === 'valid') return 0;
  if (word === 'same' && kernel % 2 === 1) return (kernel - 1) / 2;
  throw node.damaged("integers, 'valid', or 'same' with an odd kernel, as padding", `'${word}'`);
}

function pool(node: NirNode): FoundLayer {
  const kernel = square(node, 'kernel_size');
  only(node, 'stride', kernel);
  only(node, 'padding', 0);
  return { layer: { type: 'avgpool', kernel }, tensors: new Map() };
}

function linear(node: NirNode): FoundLayer {
  if (node.type !== 'Linear' && node.type !== 'Affine')
    throw node.damaged('Conv2d, Linear, Affine, AvgPool2d, Flatten, LIF, IF, LI or I', node.type);
  const weight = tensorOf(node, 'weight');
  const { shape } = weight.tensor;
  if (shape.length !== 2) throw node.damaged('weights (outputs, inputs)', `[${shape.join(', ')}]`);
  const tensors: FoundLayer['tensors'] = new Map([['weight', weight]]);
  if (node.type === 'Affine') tensors.set('bias', tensorOf(node, 'bias'));
  return { layer: { type: 'linear', out: shape[0]!, bias: node.type === 'Affine' }, tensors };
}

/**
 * A step of tau dv/dt = -v + r I by Euler's method is v <- (1 - dt/tau) v + (r dt/tau) I, whose v is r dt/tau times the
 * potential here; that of an integrator adds r I. A neuron that does not fire has the threshold 1.
 */
function addNeuron({ tensors }: FoundLayer, node: NirNode, dt: number): void {
  const leaky = node.type === 'LIF' || node.type === 'LI';
  const tau = leaky ? node.same('tau') : 0;
  if (leaky && !(tau > 0)) throw node.damaged('a time constant tau > 0', String(tau));
  if (leaky && node.same('v_leak') !== 0) throw node.damaged('v_leak 0', String(node.same('v_leak')));
  const factor = node.same('r') * (leaky ? dt / tau : 1);
  const fires = node.type === 'LIF' || node.type === 'IF';
  const scalar = (value: number, field: string): { source: string; tensor: FloatTensor } => ({
    source: `${node.name}.${field}`,
    tensor: { shape: [], data: Float32Array.of(value) },
  });
  tensors.set('threshold', scalar((fires ? node.same('v_threshold') : 1) / factor, fires ? 'v_threshold' : 'r'));
  // A time constant of one step, in 32 bits, may be a little shorter than the step.
  const leak = leaky ? 1 - dt / tau : 1;
  tensors.set('leak', scalar(leak < 0 && leak > -1e-6 ? 0 : leak, leaky ? 'tau' : 'r'));
}
