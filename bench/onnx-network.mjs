// The dense ANN of a network (`mode: 'ann'`: ReLU in place of spiking neurons) as an ONNX model.
import { model } from './onnx.mjs';

/**
 * The model of a resolved description for batches of `batch` images. `parameters` as `network.parameters()` gives them.
 * Input `image` (N, C, H, W): normalised pixels, (p / 255 - mean) / std. Output `logits` (N, K).
 *
 * @param {import('../dist/index.mjs').ResolvedNetwork} description
 * @param {Map<string, import('../dist/index.mjs').FloatTensor>} parameters
 * @param {number} batch
 */
export function annModel(description, parameters, batch) {
  /** @type {import('./onnx.mjs').Node[]} */
  const nodes = [];
  /** @type {import('./onnx.mjs').Weights[]} */
  const weights = [];
  let flat = false;
  let last = 'image';
  /** @type {(op: string, output: string, inputs?: string[], attributes?: import('./onnx.mjs').Attributes) => void} */
  const add = (op, output, inputs = [], attributes = {}) => {
    nodes.push({ op, output, inputs: [last, ...inputs], attributes });
    last = output;
  };
  /** @type {(name: string, shape?: readonly number[]) => string} */
  const parameter = (name, shape) => {
    const tensor = parameters.get(name);
    if (tensor === undefined) throw new Error(`Expected the parameter ${name} but received none`);
    weights.push({ name, shape: shape ?? tensor.shape, data: tensor.data });
    return name;
  };
  for (const [index, layer] of description.layers.entries()) {
    const name = `layers.${index}`;
    if (layer.type === 'avgpool') {
      add('AveragePool', name, [], {
        kernel_shape: [layer.kernel, layer.kernel],
        strides: [layer.kernel, layer.kernel],
      });
      continue;
    }
    const linear = layer.type === 'linear';
    if (linear && !flat) add('Flatten', `${name}.flat`, [], { axis: 1 });
    flat = linear;
    const inputs = [parameter(`${name}.weight`)];
    if (layer.bias) inputs.push(parameter(`${name}.bias`, [layer.out]));
    const output = layer.output ? 'logits' : name;
    if (linear) {
      add('Gemm', output, inputs, { transB: 1 });
    } else {
      const { kernel, stride, padding } = layer;
      add('Conv', output, inputs, {
        kernel_shape: [kernel, kernel],
        pads: [padding, padding, padding, padding],
        strides: [stride, stride],
      });
    }
    if (!layer.output) add('Relu', `${name}.relu`);
  }
  const classes = description.layers.at(-1)?.out ?? 0;
  return model({
    name: description.name,
    nodes,
    weights,
    inputs: [{ name: 'image', shape: [batch, ...description.input] }],
    outputs: [{ name: 'logits', shape: [batch, classes] }],
  });
}

/**
 * Normalised pixels of bytes (N, C, H, W), as the ANN sees them.
 *
 * @param {Uint8Array} pixels
 * @param {Pick<import('../dist/index.mjs').ResolvedNetwork, 'input' | 'mean' | 'std'>} description
 */
export function normalise(pixels, { input: [channels, height, width], mean, std }) {
  const plane = height * width;
  return Float32Array.from(pixels, (byte, i) => {
    const channel = Math.floor(i / plane) % channels;
    return (byte / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
}
