// The dense ANN of a network (`mode: 'ann'`: ReLU in place of spiking neurons) as an ONNX model.
import { model } from './onnx.mjs';

/**
 * The model of a resolved description for batches of `batch` images. `parameters` as `network.parameters()` gives them.
 * Input `image` (N, C, H, W): normalised pixels, (p / 255 - mean) / std. Output `logits` (N, K).
 */
export function annModel(description, parameters, batch) {
  const nodes = [];
  const weights = [];
  let flat = false;
  let last = 'image';
  const add = (op, output, inputs = [], attributes = {}) => {
    nodes.push({ op, output, inputs: [last, ...inputs], attributes });
    last = output;
  };
  const parameter = (name, shape) => {
    weights.push({ name, shape, data: parameters.get(name).data });
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
    const inputs = [parameter(`${name}.weight`, parameters.get(`${name}.weight`).shape)];
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
  const classes = description.layers.at(-1).out;
  return model({
    name: description.name,
    nodes,
    weights,
    inputs: [{ name: 'image', shape: [batch, ...description.input] }],
    outputs: [{ name: 'logits', shape: [batch, classes] }],
  });
}

/** Normalised pixels of bytes (N, C, H, W), as the ANN sees them. */
export function normalise(pixels, { input: [channels, height, width], mean, std }) {
  const plane = height * width;
  return Float32Array.from(pixels, (byte, i) => {
    const channel = Math.floor(i / plane) % channels;
    return (byte / 255 - mean[channel]) / std[channel];
  });
}
