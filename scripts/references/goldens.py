#!/usr/bin/env python3
"""Writes the package's own golden files, test/golden/cases/*: small odd networks with everything that a correct
implementation computes for them, by PyTorch in float64.

    python3 scripts/references/goldens.py [FOLDER]

An implementation of the network's mathematics that shares no code with the package. A spike is the hard decision in the forward
pass and the smooth function behind the surrogate in the backward pass: `hard + smooth - smooth.detach()`. Autograd does the
rest. Needs PyTorch and nothing else; NAME.json is a network description, NAME.safetensors holds

    pixels, labels, param.*                              the inputs; parameters as float32
    trace.layers.I.spike_time, trace.layers.I.potential  0 = never (output layer: T + 1); U(T) of the output layer
    logits, loss, grad.*                                 of the spiking network
    ann.logits, ann.loss, ann.grad.*                     of the same network with ReLU (no thresholds, no leaks)

and training.json the losses of ten steps of PyTorch's own optimisers on some of them.
"""
import json
import math
import struct
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

DOUBLE = torch.float64
MARGIN = 2e-5  # no decision of a case is nearer to a tie, so that float32 must decide alike


def conv(out, kernel=3, stride=1, padding=1, **more):
    return {"type": "conv", "out": out, "kernel": kernel, "stride": stride, "padding": padding, **more}


def pool(kernel=2):
    return {"type": "avgpool", "kernel": kernel}


def linear(out, **more):
    return {"type": "linear", "out": out, **more}


CASES = {
    "odd-widths": dict(
        timesteps=5, input=[3, 7, 9], batch=4, mean=[0.49, 0.48, 0.45], std=[0.25, 0.24, 0.26], alpha=0.7, beta=0.4,
        layers=[conv(17, bias=True, leak=0.8), conv(5, kernel=1, padding=0), pool(), linear(19, leak=0.6), linear(11, output=True, bias=True, leak=0.95)]),
    "single-step": dict(
        timesteps=1, input=[2, 6, 7], batch=3, mean=[0.5, 0.4], std=[0.2, 0.3],
        layers=[conv(7, stride=2, padding=0, bias=True), linear(13, leak=0.3), linear(3, output=True)]),
    "wide-kernel": dict(
        timesteps=4, input=[1, 13, 12], batch=3, mean=[0.3], std=[0.31], alpha=1.3, beta=0.0,
        layers=[conv(6, kernel=5, stride=2, padding=2, leak=0.5), conv(9, kernel=5, padding=2, bias=True), pool(3), linear(4, output=True, leak=1.0)]),
    "chained-pools": dict(
        timesteps=7, input=[2, 13, 14], batch=2, mean=[0.45, 0.55], std=[0.3, 0.2], beta=0.5, gamma=0.5,
        layers=[pool(), conv(11, padding=2, leak=0.9), pool(), pool(), conv(3, kernel=1, padding=1, bias=True), linear(6, output=True)]),
    "direct-arctan": dict(
        timesteps=3, input=[3, 5, 5], batch=3, mean=[0.5, 0.5, 0.5], std=[0.5, 0.4, 0.3], encoder="direct", surrogate="arctan", surrogateScale=2.0, gamma=1.0,
        layers=[conv(9, padding=0), linear(17, bias=True, leak=0.7), linear(7, output=True, leak=0.8)]),
    "first-spike": dict(
        timesteps=6, input=[1, 9, 8], batch=4, mean=[0.5], std=[0.25], encoder="ttfs", lo=0.1, hi=0.8, surrogate="fast-sigmoid", surrogateScale=0.5,
        layers=[conv(8, stride=2), conv(18, stride=2, bias=True, leak=0.95), linear(10, output=True, leak=0.9)]),
    "time-surrogate": dict(
        timesteps=8, input=[2, 6, 6], batch=2, mean=[0.4, 0.6], std=[0.3, 0.3], surrogate="exponential", surrogateScale=0.4, gamma=0.2, alpha=0.0,
        layers=[conv(5), pool(), conv(4), linear(16), linear(5, output=True, bias=True)]),
    "flat": dict(
        timesteps=10, input=[1, 5, 6], batch=5, mean=[0.35], std=[0.28], surrogate="rectangular", surrogateScale=0.6, gamma=0.4, beta=0.25,
        layers=[linear(31, bias=True, leak=0.85), linear(15, leak=1.0), linear(2, output=True, leak=0.0)]),
}

TRAINING = [
    dict(case="single-step", mode="snn", kind="adam", learningRate=1e-2, neuronLearningRate=3e-4, weightDecay=1e-3, amsgrad=True),
    dict(case="chained-pools", mode="snn", kind="sgd", learningRate=0.01, neuronLearningRate=1e-3, momentum=0.9, weightDecay=5e-3, clipNorm=0.5),
    dict(case="direct-arctan", mode="snn", kind="adamw", learningRate=1e-3, neuronLearningRate=1e-3, weightDecay=0.1),
    dict(case="wide-kernel", mode="ann", kind="sgd", learningRate=0.02, neuronLearningRate=0.01, momentum=0.8, weightDecay=1e-3),
    dict(case="single-step", mode="ann", kind="adam", learningRate=5e-3, neuronLearningRate=1e-3, clipNorm=1.0),
]
OPTIMIZER = dict(momentum=0.9, weightDecay=0.0, beta1=0.9, beta2=0.999, epsilon=1e-8, amsgrad=False, clipNorm=0.0)


class Margin:
    """The distance of the nearest decision from a tie."""

    def __init__(self):
        self.least = math.inf

    def see(self, distances):
        if distances.numel():
            self.least = min(self.least, float(distances.detach().min()))


def primitive(case, z, steps_to_spike):
    """The function whose derivative in z is the surrogate; `exponential` stands for none, so a line with its slope."""
    gamma, scale = case.get("gamma", 0.3), case.get("surrogateScale", 1.0)
    name = case.get("surrogate", "triangle")
    if name == "triangle":
        c = z.clamp(-1, 1)
        return gamma * torch.where(c < 0, (1 + c) ** 2 / 2, 1 - (1 - c) ** 2 / 2)
    if name == "rectangular":
        return gamma * z.clamp(-scale, scale)
    if name == "arctan":
        return gamma * 2 / (math.pi * scale) * torch.atan(math.pi / 2 * scale * z)
    if name == "fast-sigmoid":
        return gamma * z / (1 + scale * z.abs())
    return gamma * torch.exp(-scale * steps_to_spike) * z


def encode(case, pixels):
    """Bytes (N, C, H, W) -> X (T, N, C, H, W)."""
    T, how = case["timesteps"], case.get("encoder", "hybrid")
    q = pixels.to(DOUBLE) / 255
    x = (q - torch.tensor(case["mean"], dtype=DOUBLE)[:, None, None]) / torch.tensor(case["std"], dtype=DOUBLE)[:, None, None]
    if how == "direct":
        return x.expand(T, *x.shape)
    lo, hi = case.get("lo", 0.0), case.get("hi", 1.0)
    first = 1 if how == "ttfs" else 2
    when = torch.floor(T + (first - T) * ((q - lo) / (hi - lo)).clamp(0, 1) + 0.5)
    coded = torch.stack([(when == t).to(DOUBLE) for t in range(1, T + 1)])
    if how == "hybrid":
        coded[0] = x
    return coded


def weighted(layer, name, params, x):
    """One layer's linear map, every step by itself: (T, N, ...) -> (T, N, ...)."""
    rows = []
    for step in x:
        if layer["type"] == "avgpool":
            rows.append(F.avg_pool2d(step, layer["kernel"]))
        elif layer["type"] == "conv":
            rows.append(F.conv2d(step, params[name + ".weight"], params.get(name + ".bias"), stride=layer["stride"], padding=layer["padding"]))
        else:
            rows.append(F.linear(step.reshape(len(step), -1), params[name + ".weight"], params.get(name + ".bias")))
    return torch.stack(rows)


def integrate(case, current, threshold, leak, margin):
    """Potentials and spikes (T, ...) of neurons that fire at most once, and their spike steps (T + 1 = never)."""
    T = len(current)
    potentials, u = [], torch.zeros_like(current[0])
    for step in current:
        u = leak * u + step
        potentials.append(u)
    potentials = torch.stack(potentials)
    z = potentials / threshold - 1
    step = torch.arange(1, T + 1, dtype=DOUBLE).reshape(-1, *[1] * (current.dim() - 1))
    fired = torch.where(z.detach() > 0, step, torch.tensor(T + 1.0, dtype=DOUBLE)).min(0).values
    live = (step <= fired).to(DOUBLE)
    margin.see(z[live > 0].abs())
    if case.get("surrogate") == "rectangular":
        margin.see((z[(live > 0) & (potentials != 0)].abs() - case["surrogateScale"]).abs())
    hard, smooth = (step == fired).to(DOUBLE), primitive(case, z, fired - step) * live
    return potentials, hard + smooth - smooth.detach(), fired


def spiking(case, params, pixels, margin, trace=None):
    """Logits (N, K)."""
    T, x = case["timesteps"], encode(case, pixels)
    for i, layer in enumerate(case["layers"]):
        name = f"layers.{i}"
        x = weighted(layer, name, params, x)
        if layer["type"] == "avgpool":
            continue
        threshold = params[name + ".threshold"]
        potentials, x, fired = integrate(case, x, threshold, params[name + ".leak"], margin)
        if trace is not None:
            trace[name + ".spike_time"] = fired if layer.get("output") else torch.where(fired > T, torch.zeros_like(fired), fired)
    if trace is not None:
        trace[name + ".potential"] = potentials[-1].detach()
    earliness = T + 1 - torch.arange(1, T + 1, dtype=DOUBLE)[:, None, None]
    return case.get("alpha", 1.0) * potentials[-1] / threshold + case.get("beta", 1.0) * (earliness * x).sum(0)


def relu_network(case, params, pixels, margin):
    x = ((pixels.to(DOUBLE) / 255 - torch.tensor(case["mean"], dtype=DOUBLE)[:, None, None]) / torch.tensor(case["std"], dtype=DOUBLE)[:, None, None])[None]
    for i, layer in enumerate(case["layers"]):
        x = weighted(layer, f"layers.{i}", params, x)
        if layer["type"] != "avgpool" and not layer.get("output"):
            margin.see(x[x != 0].abs() / x.detach().abs().mean())
            x = x.relu()
    return x[0]


def draw(case, generator):
    """Weights, a batch, and thresholds that a third of each layer's neurons pass."""
    pixels = torch.randint(0, 256, (case["batch"], *case["input"]), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, case["layers"][-1]["out"], (case["batch"],), generator=generator)
    params, x = {}, encode(case, pixels)
    for i, layer in enumerate(case["layers"]):
        name = f"layers.{i}"
        if layer["type"] != "avgpool":
            inputs = [x.shape[2], layer["kernel"], layer["kernel"]] if layer["type"] == "conv" else [x[0, 0].numel()]
            scale = math.sqrt(2 / math.prod(inputs))
            params[name + ".weight"] = (torch.randn([layer["out"], *inputs], generator=generator, dtype=DOUBLE) * scale).float().double()
            if layer.get("bias"):
                params[name + ".bias"] = (torch.randn(layer["out"], generator=generator, dtype=DOUBLE) * 0.05).float().double()
        x = weighted(layer, name, params, x)
        if layer["type"] != "avgpool":
            leak = torch.tensor(layer.get("leak", 0.9), dtype=DOUBLE).float().double()
            potentials, _, _ = integrate(case, x, torch.tensor(1.0, dtype=DOUBLE), leak, Margin())
            threshold = torch.quantile(potentials.max(0).values, 0.67).clamp(min=0.2).float().double()
            params[name + ".threshold"], params[name + ".leak"] = threshold, leak
            _, x, _ = integrate(case, x, threshold, leak, Margin())
    return params, pixels, labels


def gradients(params, loss):
    values = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
    return {k: torch.zeros_like(p) if g is None else g for (k, p), g in zip(params.items(), values)}


def make_case(case):
    for seed in range(1000):
        params, pixels, labels = draw(case, torch.Generator().manual_seed(seed))
        params = {k: v.clone().requires_grad_() for k, v in params.items()}
        margin, trace = Margin(), {}
        logits = spiking(case, params, pixels, margin, trace)
        ann = relu_network(case, params, pixels, margin)
        if margin.least >= MARGIN:
            break
    else:
        raise SystemExit("no seed without a tie")
    loss, ann_loss = F.cross_entropy(logits, labels), F.cross_entropy(ann, labels)
    tensors = {"pixels": pixels, "labels": labels}
    tensors.update({f"param.{k}": v.float() for k, v in params.items()})
    tensors.update({f"trace.{k}": v.to(torch.uint8) if k.endswith("spike_time") else v for k, v in trace.items()})
    tensors.update({"logits": logits, "loss": loss.reshape(1), "ann.logits": ann, "ann.loss": ann_loss.reshape(1)})
    tensors.update({f"grad.{k}": v for k, v in gradients(params, loss).items()})
    tensors.update({f"ann.grad.{k}": v for k, v in gradients(params, ann_loss).items() if k.endswith(("weight", "bias"))})
    tensors = {k: v.detach() for k, v in tensors.items()}
    return tensors, {"seed": str(seed), "margin": repr(margin.least), "torch": torch.__version__}


def far_from_ties(run, case, tensors):
    """Ten steps in which float32 may drift without deciding otherwise: the rate falls a little until there are such."""
    for _ in range(300):
        result = ten_losses(run, case, tensors)
        if result["margin"] >= 5 * MARGIN:
            return result
        run = {**run, "learningRate": round(0.99 * run["learningRate"], 8)}
    raise SystemExit(f"no run without a tie: {run}")


def ten_losses(run, case, tensors):
    """Ten steps of PyTorch's optimiser on the case's one batch: the loss before each, and how near a tie they came."""
    o = {**OPTIMIZER, **run}
    params = {k[6:]: v.double().clone().requires_grad_() for k, v in tensors.items() if k.startswith("param.")}
    kinds = {"weights": [], "biases": [], "neurons": []}
    for name, p in params.items():
        kinds["weights" if name.endswith("weight") else "biases" if name.endswith("bias") else "neurons"].append(p)
    groups = [
        {"params": kinds["weights"], "lr": o["learningRate"], "weight_decay": o["weightDecay"]},
        {"params": kinds["biases"], "lr": o["learningRate"], "weight_decay": 0.0},
        {"params": kinds["neurons"], "lr": o["neuronLearningRate"], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if o["kind"] == "sgd":
        optimizer = torch.optim.SGD(groups, lr=o["learningRate"], momentum=o["momentum"])
    else:
        kind = torch.optim.Adam if o["kind"] == "adam" else torch.optim.AdamW
        optimizer = kind(groups, lr=o["learningRate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"], amsgrad=o["amsgrad"])
    losses, margin = [], Margin()
    for _ in range(10):
        forward = spiking if o["mode"] == "snn" else relu_network
        loss = F.cross_entropy(forward(case, params, tensors["pixels"], margin), tensors["labels"])
        losses.append(float(loss.detach()))
        for name, g in gradients(params, loss).items():
            params[name].grad = g
        if o["clipNorm"] > 0:
            torch.nn.utils.clip_grad_norm_(params.values(), o["clipNorm"])
        optimizer.step()
        with torch.no_grad():
            for name, p in params.items():
                if name.endswith("threshold"):
                    p.clamp_(min=1e-3)
                if name.endswith("leak"):
                    p.clamp_(0, 1)
    sums = {name: float(p.detach().abs().sum()) for name, p in params.items()}
    return {**o, "losses": losses, "absoluteSums": sums, "margin": margin.least}


def save_safetensors(path, tensors, metadata):
    types = {torch.float32: "F32", torch.float64: "F64", torch.uint8: "U8", torch.int64: "I64"}
    # Larger elements first, so that every tensor is aligned.
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    header, data = {"__metadata__": metadata}, b""
    for name in names:
        blob = tensors[name].contiguous().numpy().tobytes()
        header[name] = {"dtype": types[tensors[name].dtype], "shape": list(tensors[name].shape), "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "test/golden/cases")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    made = {}
    for name, case in CASES.items():
        made[name], metadata = make_case(case)
        (folder / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n")
        save_safetensors(folder / f"{name}.safetensors", made[name], metadata)
        fired = {k[6:-11]: round(float(((v > 0) & (v <= case["timesteps"])).double().mean()), 2) for k, v in made[name].items() if k.endswith("spike_time")}
        print(name, metadata, fired, f"loss {float(made[name]['loss']):.4f}")
    runs = [far_from_ties(run, CASES[run["case"]], made[run["case"]]) for run in TRAINING]
    for run in runs:
        print(run["case"], run["mode"], run["kind"], [round(v, 4) for v in run["losses"]], "margin", run["margin"])
    (folder / "training.json").write_text(json.dumps({"torch": torch.__version__, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
