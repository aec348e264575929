// The ANN of a network as a graph (docs/MATHEMATICS.md, "The ANN stage" and "Binary activations").
import { layerName } from '../../model/layer';
import { isNormalised } from '../../model/description';
import type { GraphBuilder } from './graph';

/** Adds the ANN, with ReLU or with binary activations. */
export function addAnn(builder: GraphBuilder, binary: boolean): void {
  let last = addPixels(builder);
  for (const [index, layer] of builder.network.layers.entries()) {
    const name = layerName(index);
    if (layer.type === 'avgpool') {
      last = builder.pool(name, index, last);
      continue;
    }
    const input = builder.product(layer.output ? 'logits' : `${name}.input`, index, last, true);
    if (!layer.output) last = binary ? addBinary(builder, index, input) : builder.add(name, 'Relu', [input]);
  }
}

/** The values of the pixels, (p / 255 - mean) / std, as one product and one sum. */
function addPixels(builder: GraphBuilder): string {
  const { input, mean, std } = builder.network;
  const normalised = isNormalised(builder.network);
  const shape = [input[0], 1, 1];
  const scale = mean.map((_, c) => 1 / 255 / (normalised ? std[c]! : 1));
  const shift = mean.map((value, c) => (normalised ? -value / std[c]! : 0));
  const floats = builder.cast('pixels.float', 'pixels', 'float');
  const scaled = builder.add('pixels.scaled', 'Mul', [floats, builder.constant('pixels.scale', scale, shape)]);
  return builder.add('pixels.normalised', 'Add', [scaled, builder.constant('pixels.shift', shift, shape)]);
}

/** 2 V where the weighted input is above V, else 0. */
function addBinary(builder: GraphBuilder, index: number, input: string): string {
  const name = layerName(index);
  const threshold = builder.parameter(index, 'threshold').data[0]!;
  const above = builder.add(`${name}.above`, 'Greater', [input, builder.scalar(`${name}.threshold`, threshold)]);
  const height = builder.scalar(`${name}.height`, 2 * threshold);
  return builder.add(name, 'Mul', [builder.cast(`${name}.one`, above, 'float'), height]);
}
