#!/usr/bin/env python3
"""Writes the files of other programs that the tests of lib/exchange/ read, test/exchange/files/*: a small network in the
layout of torchvision's VGG, saved in every way that PyTorch and safetensors know, and what PyTorch computes with it.

    python3 scripts/references/exchange-files.py [FOLDER]

Needs PyTorch, safetensors, NumPy, onnx and onnxscript. Average pools stand where torchvision has maximum pools; the names in the state dict
are the same.
"""
import collections
import json
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn


class Vgg(nn.Module):
    """The layout of torchvision.models.VGG: features.N, an adaptive pool, classifier.N."""

    def __init__(self, plan, side, hidden, classes, norm):
        super().__init__()
        layers, channels = [], 3
        for entry in plan:
            if entry == "M":
                layers.append(nn.AvgPool2d(2))
                continue
            layers.append(nn.Conv2d(channels, entry, 3, padding=1))
            if norm:
                layers.append(nn.BatchNorm2d(entry))
            layers.append(nn.ReLU())
            channels = entry
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        inputs = channels * side * side
        self.classifier = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, classes)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def network(plan, side, norm, seed, classes=3):
    torch.manual_seed(seed)
    model = Vgg(plan, side, 6, classes, norm).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 1.5)
            module.weight.data.uniform_(0.6, 1.8)
            module.bias.data.uniform_(-0.2, 0.3)
    return model


def expectation(model, side, mean, std, images=4):
    """The logits of images whose pixels follow from their position (test/exchange/helpers.ts)."""
    place = torch.arange(images * 3 * side * side)
    pixels = ((place * place * 31 + 7 * place) % 256).view(images, 3, side, side)
    view = (1, 3, 1, 1)
    with torch.no_grad():
        logits = model((pixels / 255 - torch.tensor(mean).view(view)) / torch.tensor(std).view(view))
    return logits.flatten().tolist()


def write_pickle(path, body):
    """An archive of torch.save with another pickle in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/version", "3\n")


def other_onnx(folder):
    """What the exporter of PyTorch does not write: normalisation inside, MatMul and Add, Identity, a global pool."""
    rng = np.random.default_rng(5)

    def constant(name, *shape):
        return numpy_helper.from_array(rng.normal(0, 0.4, shape).astype(np.float32), name)

    variance = numpy_helper.from_array(rng.uniform(0.5, 2, 4).astype(np.float32), "variance")
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["normalised"]),
        helper.make_node("Conv", ["normalised", "w0"], ["c0"], auto_pad="SAME_UPPER", kernel_shape=[3, 3]),
        helper.make_node("Add", ["c0", "b0"], ["s0"]),
        helper.make_node("BatchNormalization", ["s0", "gamma", "beta", "moving", "variance"], ["n0"], epsilon=1e-3),
        helper.make_node("Relu", ["n0"], ["r0"]),
        helper.make_node("AveragePool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p0", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["g"]),
        helper.make_node("Constant", [], ["vector"], value=numpy_helper.from_array(np.array([0, -1]), "")),
        helper.make_node("Reshape", ["g", "vector"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w2"], ["m2"]),
        helper.make_node("Add", ["m2", "b2"], ["s2"]),
        helper.make_node("Relu", ["s2"], ["r2"]),
        helper.make_node("Dropout", ["r2"], ["d2"]),
        helper.make_node("Gemm", ["d2", "w3", "b3"], ["g3"]),
        helper.make_node("Identity", ["g3"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([120, 110, 100], np.float32).reshape(3, 1, 1), "mean"),
        numpy_helper.from_array(np.array([60, 70, 80], np.float32).reshape(1, 3, 1, 1), "deviation"),
        constant("w0", 4, 3, 3, 3), constant("b0", 1, 4, 1, 1), constant("gamma", 4), constant("beta", 4),
        constant("moving", 4), variance, constant("w1", 5, 4, 3, 3), constant("b1", 5), constant("w2", 5, 6),
        constant("b2", 6), constant("w3", 6, 3), constant("b3", 3),
    ]
    graph = helper.make_graph(
        nodes, "other",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "other.onnx")
    from onnx.reference import ReferenceEvaluator

    place = np.arange(4 * 3 * 8 * 8, dtype=np.int64)
    pixels = ((place * place * 31 + 7 * place) % 256).astype(np.uint8).reshape(4, 3, 8, 8)
    return ReferenceEvaluator(model).run(None, {"image": pixels})[0].flatten().tolist()


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    mean, std = [0.5, 0.45, 0.4], [0.25, 0.2, 0.3]
    vgg = network([4, "M", 5, 6, "M"], 2, True, 1)
    state = vgg.state_dict()
    expected = {"mean": mean, "std": std, "vgg": expectation(vgg, 8, mean, std)}
    torch.save(state, folder / "vgg.pth")
    wrapped = collections.OrderedDict((f"module.{name}", value) for name, value in state.items())
    torch.save({"epoch": 3, "state_dict": wrapped, "best": 0.5, "args": ["a"]}, folder / "checkpoint.pth")
    # Strides of another order, an offset, and two tensors in one storage.
    views = collections.OrderedDict(state)
    views["features.4.weight"] = state["features.4.weight"].to(memory_format=torch.channels_last)
    both = torch.cat([state["features.7.bias"], state["features.4.bias"]])
    views["features.7.bias"], views["features.4.bias"] = both[:6], both[6:]
    views["classifier.0.weight"] = nn.Parameter(state["classifier.0.weight"].t().contiguous().t())
    views["classifier.3.weight"] = state["classifier.3.weight"].double()
    torch.save(views, folder / "views.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(nn.Linear(2, 2)).save(folder / "script.pt")
    torch.save({"sizes": torch.Size([1]), "device": torch.device("cpu"), "type": torch.float16,
                "net": {"f.weight": torch.ones(3, 4).to(torch.float8_e4m3fn), "f.bias": torch.ones(3).bfloat16()}},
               folder / "float8.pt")

    plain = network([4, "M", 5], 4, False, 2)
    expected["plain"] = expectation(plain, 8, mean, std)
    save_file(plain.state_dict(), folder / "plain.safetensors")
    for name, kind in {"half": torch.float16, "bfloat16": torch.bfloat16}.items():
        rounded = {key: value.to(kind) for key, value in plain.state_dict().items()}
        save_file(rounded, folder / f"{name}.safetensors")
        copy = network([4, "M", 5], 4, False, 2)
        copy.load_state_dict({key: value.float() for key, value in rounded.items()})
        expected[name] = expectation(copy, 8, mean, std)
    shards = [{}, {}]
    for i, (name, value) in enumerate(sorted(plain.state_dict().items())):
        shards[i % 2][name] = value
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    for i, shard in enumerate(shards):
        file = f"model-0000{i + 1}-of-00002.safetensors"
        save_file(shard, folder / file)
        index["weight_map"].update({name: file for name in shard})
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")

    # VGG-11 of torchvision, two channels wide: an adaptive pool to 7 x 7 from the one pixel that 32 x 32 leave, and
    # from 3 x 3.
    torchvision = network([2, "M", 2, "M", 2, 2, "M", 2, 2, "M", 2, 2, "M"], 7, True, 4, classes=10)
    torch.save(torchvision.state_dict(), folder / "torchvision.pth")
    expected["torchvision32"] = expectation(torchvision, 32, mean, std)
    expected["torchvision96"] = expectation(torchvision, 96, mean, std)

    expected["other"] = other_onnx(folder)
    example = (torch.zeros(2, 3, 8, 8),)
    torch.onnx.export(vgg, example, str(folder / "vgg.onnx"), dynamo=False, opset_version=13,
                      input_names=["image"], output_names=["logits"], do_constant_folding=False,
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})

    class Evil:
        def __reduce__(self):
            import os
            return os.system, ("touch executed",)

    write_pickle(folder / "evil.pt", pickle.dumps({"state_dict": Evil()}, protocol=2))
    write_pickle(folder / "object.pt", pickle.dumps({"args": collections.Counter()}, protocol=4))
    cycle = {}
    cycle["state_dict"] = cycle
    cycle["list"] = [cycle]
    write_pickle(folder / "cycle.pt", pickle.dumps(cycle, protocol=2))
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "test/exchange/files"))
