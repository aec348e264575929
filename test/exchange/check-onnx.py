"""Checks models by onnx's own checker, and computes them by onnxruntime: for the images in PIXELS the logits, then for
every image the smallest |U/V - 1| of a hidden neuron before or at its spike (infinity without spikes), all float32.

    python3 check-onnx.py PIXELS MODEL OUT [MODEL OUT]...
"""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper


def comparisons(model):
    """The potential and the threshold of every comparison, layer by layer in the order of the steps."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    layers = {}
    for node in model.graph.node:
        if node.op_type == "Greater":
            layer = node.output[0].rsplit(".t", 1)[0]
            layers.setdefault(layer, []).append((node.input[0], float(numpy_helper.to_array(constants[node.input[1]]))))
    return list(layers.values())


def margins(layers, potentials, images):
    smallest = np.full(images, np.inf, np.float32)
    for steps in layers:
        silent = None
        for name, threshold in steps:
            z = (potentials[name] / np.float32(threshold) - 1).reshape(images, -1)
            silent = np.ones_like(z, bool) if silent is None else silent
            smallest = np.minimum(smallest, np.where(silent, np.abs(z), np.inf).min(axis=1))
            silent &= z <= 0
    return smallest


def main(pixels_path, pairs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for path, out in zip(pairs[::2], pairs[1::2]):
        onnx.checker.check_model(path, full_check=True)
        model = onnx.load(path)
        layers = comparisons(model)
        names = sorted({name for steps in layers for name, _ in steps})
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        (image,) = session.get_inputs()
        assert image.name == "pixels" and image.type == "tensor(uint8)" and image.shape[0] == "N", image
        pixels = np.fromfile(pixels_path, np.uint8).reshape(-1, *image.shape[1:])
        logits, ties = [], []
        for part in np.array_split(pixels, 20):
            first, *rest = session.run(["logits", *names], {"pixels": part})
            logits.append(first)
            ties.append(margins(layers, dict(zip(names, rest)), len(part)))
        np.concatenate([np.concatenate(logits).ravel(), np.concatenate(ties)]).astype(np.float32).tofile(out)


main(sys.argv[1], sys.argv[2:])
