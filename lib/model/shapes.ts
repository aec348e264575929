// Shapes, parameters and dense multiply-accumulates of every layer of a resolved network.
import { expected } from '../check';
import { LIMITS, within } from '../native/limits';
import type { LayerType, ResolvedLayer, ResolvedNetwork } from './spec';
import { codeTensors } from './code/code';
import { geneLayers, interactionName } from './genes/genes';
import { isPool, layerName, type LayerId } from './layer';
import { NORM_TENSORS } from './parameters';

export type MapShape = [number, number, number];

/** One layer as it stands in its network. Counts are per image. */
export interface LayerShape {
  layer: LayerId;
  type: LayerType;
  /** [C, H, W]; of a linear layer the map that it flattens, in (C, H, W) order. */
  in: MapShape;
  /** [C, H, W]; [O, 1, 1] for a linear layer. */
  out: MapShape;
  /** Inputs of one neuron, borders ignored, through the pool of its currents if there is one; the window of a pool. */
  fanIn: number;
  /**
   * Multiply-accumulates of one dense pass. Products with a padding zero do not count; biases and pools do not either.
   */
  macs: number;
  /** Spiking neurons (the output layer's included); 0 for a pool. */
  neurons: number;
  /**
   * Trainable numbers: weights, or the genes of the layer in their place, biases, normalisation, threshold and leak or
   * the parameters of a code. Genes that layers share are counted by `parameterCount` alone.
   */
  parameters: number;
}

/** Shapes layer by layer. Errors: ERR_SHAPE when a layer does not fit its input. */
export function layerShapes(network: ResolvedNetwork): LayerShape[] {
  let input: MapShape = [...network.input];
  const schedules = network.schedules ? 2 * network.timesteps : 0;
  const ofNeurons = neuronTensors(network);
  const { expressing, genetic } = geneLayers(network);
  return network.layers.map((layer, index) => {
    const [channels, height, width] = input;
    const where = `layers[${index}]`;
    let out: MapShape;
    let weights = 0;
    let fanIn: number;
    let macs = 0;
    if (layer.type === 'linear') {
      fanIn = channels * height * width;
      out = [layer.out, 1, 1];
      weights = fanIn * layer.out;
      macs = weights;
    } else if (isPool(layer.type)) {
      const { kernel } = layer;
      checkFit(
        kernel,
        height,
        width,
        `a window of at most ${Math.min(height, width)} (the map is ${height}x${width})`,
        where,
      );
      out = [channels, Math.floor(height / kernel), Math.floor(width / kernel)];
      fanIn = kernel * kernel;
    } else {
      const { padding } = layer;
      const { kernel, stride } = pooledWindow(layer);
      const [paddedHeight, paddedWidth] = [height + 2 * padding, width + 2 * padding];
      const most = `${Math.min(paddedHeight, paddedWidth)}${layer.pool > 1 ? ', its pool included' : ''}`;
      const fits = `a kernel of at most ${most} (the padded map is ${paddedHeight}x${paddedWidth})`;
      checkFit(kernel, paddedHeight, paddedWidth, fits, where);
      out = [layer.out, convolvedSide(height, kernel, stride, padding), convolvedSide(width, kernel, stride, padding)];
      if (!within('side', Math.max(out[1], out[2])))
        throw expected(`a map of at most ${LIMITS.side.max} pixels a side`, where, `${out[1]}x${out[2]}`, 'ERR_SHAPE');
      fanIn = channels * kernel * kernel;
      weights = channels * layer.kernel * layer.kernel * layer.out;
      macs =
        channels *
        layer.out *
        sum(sideFanOut(height, kernel, stride, padding)) *
        sum(sideFanOut(width, kernel, stride, padding));
    }
    const spiking = !isPool(layer.type);
    const shape: LayerShape = {
      layer: index,
      type: layer.type,
      in: input,
      out,
      fanIn,
      macs,
      neurons: spiking ? out[0] * out[1] * out[2] : 0,
      parameters: spiking
        ? (genetic.includes(index) ? 1 : weights) +
          (expressing.includes(index) ? layer.out * network.genes!.count : 0) +
          (layer.bias ? layer.out : 0) +
          (layer.norm === 'batch' ? 2 * layer.out : 0) +
          ofNeurons(layer).length +
          schedules
        : 0,
    };
    input = [...out];
    return shape;
  });
}

/** The number of trainable numbers of a network. */
export function parameterCount(network: ResolvedNetwork): number {
  const own = layerShapes(network).reduce((sum, { parameters }) => sum + parameters, 0);
  const genes = network.genes?.count ?? 0;
  return geneLayers(network).kernels.reduce((sum, kernel) => sum + (kernel * genes) ** 2, own);
}

/** Kernel and stride with which a convolution reads its input. */
export interface ConvolutionWindow {
  kernel: number;
  stride: number;
}

/**
 * The window of a convolution. Where its currents are averaged before the neuron, it is that of the larger convolution
 * which the two are together (docs/MATHEMATICS.md, "Pools before the neuron").
 */
export function pooledWindow({
  kernel,
  stride,
  pool,
}: Pick<ResolvedLayer, 'kernel' | 'stride' | 'pool'>): ConvolutionWindow {
  return { kernel: kernel + (pool - 1) * stride, stride: stride * pool };
}

/** Side of the map after a convolution. */
export function convolvedSide(side: number, kernel: number, stride: number, padding: number): number {
  return Math.floor((side + 2 * padding - kernel) / stride) + 1;
}

/**
 * The number of windows that contain each of `side` positions, along one axis of a convolution. The fan-out of a pixel
 * is the product of its two axes; the sum over an axis is the number of products that meet no padding.
 */
export function sideFanOut(side: number, kernel: number, stride: number, padding: number): Float64Array {
  const windows = convolvedSide(side, kernel, stride, padding);
  const counts = new Float64Array(side);
  for (let position = 0; position < side; position++) {
    // Window o covers positions o*stride - padding .. o*stride - padding + kernel - 1.
    const first = Math.max(0, Math.ceil((position + padding - kernel + 1) / stride));
    const last = Math.min(windows - 1, Math.floor((position + padding) / stride));
    counts[position] = Math.max(0, last - first + 1);
  }
  return counts;
}

/**
 * Name and shape of a parameter; PyTorch layout: (O, I, kh, kw), (O, I), (O), () for threshold and leak and for what a
 * code has in their place, (T) for schedules, (O, G) for genes, () for their scale, and (K * K, G, G) for what layers
 * with a kernel of side K share.
 */
export interface ParameterShape {
  name: string;
  shape: number[];
}

/** Every tensor of a network, in the order of its layers. */
export function parameterShapes(network: ResolvedNetwork): ParameterShape[] {
  const ofNeurons = neuronTensors(network);
  const genes = network.genes?.count ?? 0;
  const { expressing, genetic, kernels } = geneLayers(network);
  const shared = kernels.map((kernel) => ({ name: interactionName(kernel), shape: [kernel ** 2, genes, genes] }));
  const ofLayers = layerShapes(network).flatMap((shape) => {
    const layer = network.layers[shape.layer]!;
    if (isPool(layer.type)) return [];
    const name = layerName(shape.layer);
    const weight =
      layer.type === 'conv' ? [layer.out, shape.in[0], layer.kernel, layer.kernel] : [layer.out, shape.fanIn];
    const steps = [network.timesteps];
    const schedules = ['kappa', 'theta'].map((schedule) => ({ name: `${name}.${schedule}`, shape: steps }));
    const bias = layer.bias ? [{ name: `${name}.bias`, shape: [layer.out] }] : [];
    const norm =
      layer.norm === 'batch' ? NORM_TENSORS.map((of) => ({ name: `${name}.${of}`, shape: [layer.out] })) : [];
    return [
      { name: `${name}.weight`, shape: weight },
      ...bias,
      ...norm,
      ...ofNeurons(layer).map((of) => ({ name: `${name}.${of}`, shape: [] })),
      ...(network.schedules ? schedules : []),
      ...(expressing.includes(shape.layer) ? [{ name: `${name}.genes`, shape: [layer.out, genes] }] : []),
      ...(genetic.includes(shape.layer) ? [{ name: `${name}.gene_scale`, shape: [] }] : []),
    ];
  });
  return [...ofLayers, ...shared];
}

/** The numbers of a weighted layer that decide when it fires, after its name. */
function neuronTensors({ code }: ResolvedNetwork): (layer: { output: boolean }) => readonly string[] {
  if (code === undefined) return () => ['threshold', 'leak'];
  const hidden = codeTensors(code);
  return ({ output }) => (output ? [] : hidden);
}

function checkFit(kernel: number, height: number, width: number, what: string, where: string): void {
  if (kernel > height || kernel > width) throw expected(what, `${where}.kernel`, kernel, 'ERR_SHAPE');
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
