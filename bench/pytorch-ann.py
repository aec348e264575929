"""Times the dense ANN of a network in PyTorch on the CPU: ReLU in place of spiking neurons, channels_last, SGD with momentum.

    python bench/pytorch-ann.py LAYERS-AS-JSON train|infer [--batch 64] [--threads 2] [--warmup 1] [--iterations 5]
                                [--precision fp32|mixed] [--norm none|batch]

LAYERS is the list of a resolved network description; images are 3x32x32 bytes, normalised in every step as onespike does.
With mixed, the forward pass runs under autocast to bfloat16; with batch, every hidden layer is followed by batch
normalisation.
One JSON object on stdout, fields as of `onespike bench`.
"""
import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F


def memory(key):
    """Bytes of this process by the name of a line in /proc/self/status."""
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith(key + ":")).split()[1])


def weights_of(layers):
    """He-initialised weights per layer (None for a pool), and what forward needs."""
    channels, side, flat, weights = 3, 32, False, []
    for layer in layers:
        if layer["type"] == "avgpool":
            side //= layer["kernel"]
            weights.append(None)
            continue
        if layer["type"] == "conv":
            shape = (layer["out"], channels, layer["kernel"], layer["kernel"])
            side = (side + 2 * layer["padding"] - layer["kernel"]) // layer["stride"] + 1
        else:
            shape = (layer["out"], channels if flat else channels * side * side)
            flat = True
        channels = layer["out"]
        fan_in = shape[1] * (shape[2] * shape[3] if len(shape) == 4 else 1)
        weight = torch.randn(shape) * (2 / fan_in) ** 0.5
        if len(shape) == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        weights.append(weight.requires_grad_())
    return weights


def norms_of(layers, wanted):
    """Batch normalisation per layer, None where there is none."""
    def norm(layer):
        if not wanted or layer["type"] == "avgpool" or layer.get("output"):
            return None
        return (torch.nn.BatchNorm2d if layer["type"] == "conv" else torch.nn.BatchNorm1d)(layer["out"])
    return [norm(layer) for layer in layers]


def forward(layers, weights, norms, x):
    for layer, weight, norm in zip(layers, weights, norms):
        if layer["type"] == "avgpool":
            x = F.avg_pool2d(x, layer["kernel"])
            continue
        if layer["type"] == "conv":
            x = F.conv2d(x, weight, stride=layer["stride"], padding=layer["padding"])
        else:
            x = F.linear(x.flatten(1), weight)
        x = x if norm is None else norm(x)
        x = x if layer.get("output") else F.relu(x)
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=json.loads)
    parser.add_argument("mode", choices=["train", "infer"])
    for flag, default in {"batch": 64, "threads": 2, "warmup": 1, "iterations": 5}.items():
        parser.add_argument("--" + flag, type=int, default=default)
    parser.add_argument("--precision", choices=["fp32", "mixed"], default="fp32")
    parser.add_argument("--norm", choices=["none", "batch"], default="none")
    a = parser.parse_args()
    imported = memory("VmHWM")
    torch.manual_seed(0)
    torch.set_num_threads(a.threads)
    weights, norms = weights_of(a.layers), norms_of(a.layers, a.norm == "batch")
    parameters = [w for w in weights if w is not None] + [p for norm in norms if norm for p in norm.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]))
    pixels = torch.randint(0, 256, (a.batch, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, a.layers[-1]["out"], (a.batch,))

    def logits(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "mixed"):
            return forward(a.layers, weights, norms, x)

    def step():
        x = ((pixels.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
        if a.mode == "infer":
            with torch.inference_mode():
                logits(x)
            return
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits(x).float(), labels).backward()
        optimizer.step()

    times = []
    for i in range(-a.warmup, a.iterations):
        start = time.perf_counter()
        step()
        if i >= 0:
            times.append(time.perf_counter() - start)
    middle = statistics.median(times)
    print(json.dumps({
        "mode": "ann-" + a.mode, "batch": a.batch, "threads": torch.get_num_threads(), "torch": torch.__version__,
        "imagesPerSecond": a.batch / middle, "best": a.batch / min(times), "milliseconds": 1000 * middle,
        "peakRss": memory("VmHWM"), "runtimeRss": imported,
    }))


main()
