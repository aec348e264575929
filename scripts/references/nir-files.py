"""Writes the NIR files of test/exchange/files: graphs by the Python package nir, and the spike times that snnTorch
computes from them; and an HDF5 file of arrays with checksums and fill values. Needs nir, h5py, NumPy, torch, nirtorch
and snntorch.

    python scripts/references/nir-files.py
"""

import json
import sys
from pathlib import Path

import h5py
import nir
import numpy as np

root = Path(__file__).resolve().parents[2] / "test" / "exchange"
sys.path.insert(0, str(root))
simulate = __import__("simulate-nir").simulate

DT = 1e-4
STEPS = 4
random = np.random.default_rng(7)


def weights(*shape):
    return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def lif(shape, leak, threshold, scale=1.0):
    """A neuron v <- leak v + scale I."""
    tau = DT / (1 - leak)
    full = lambda value: np.full(shape, value, np.float32)
    return nir.LIF(full(tau), full(scale * tau / DT), full(0), full(threshold), full(0))


def convolutional():
    nodes = {
        "in": nir.Input({"input": np.array([2, 6, 6])}),
        "conv": nir.Conv2d((6, 6), weights(4, 2, 3, 3), 1, "same", 1, 1, 0.1 * weights(4)),
        "spikes": lif((4, 6, 6), 0.8, 0.5, 2.0),
        "pool": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "strided": nir.Conv2d((3, 3), 2 * weights(5, 4, 2, 2), (1, 1), (0, 0), (1, 1), 1, np.zeros(5, np.float32)),
        "more": nir.IF(np.ones((5, 2, 2), np.float32), np.full((5, 2, 2), 0.3, np.float32)),
        "flat": nir.Flatten({"input": np.array([5, 2, 2])}, 0, -1),
        "dense": nir.Affine(3 * weights(3, 20), 0.1 * weights(3)),
        "out": lif((3,), 0.5, 0.4),
        "end": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(zip(names, names[1:])))


def dense():
    return nir.NIRGraph.from_list(
        nir.Linear(weights(8, 12)), lif((8,), 0.9, 0.2), nir.Linear(2 * weights(3, 8)), lif((3,), 0.0, 0.3)
    )


def main():
    files = root / "files"
    expected = {}
    for name, graph, shape in [("convolutional", convolutional(), (2, 6, 6)), ("dense", dense(), (12,))]:
        path = files / f"{name}.nir"
        nir.write(path, graph)
        # The same image at every step: bytes, which onespike takes as (p / 255 - mean) / std with mean 0.5 and std 0.5.
        pixels = random.integers(0, 256, (6, *shape), dtype=np.uint8)
        values = ((pixels.astype(np.float64) / 255 - 0.5) / 0.5).astype(np.float32)
        times, _ = simulate(path, np.repeat(values[:, None], STEPS, axis=1))
        expected[name] = {"pixels": pixels.ravel().tolist(), "times": times.ravel().tolist()}
    nir.write(files / "plain.nir", dense(), compression=None)
    with h5py.File(files / "arrays.h5", "w") as file:
        file.create_dataset("numbers", data=np.arange(10, dtype=np.float32) / 3, chunks=(5,), fletcher32=True)
        file.create_dataset("unwritten", shape=(3,), dtype="<i4", fillvalue=7)
        file.create_dataset("partly", shape=(6,), dtype="<f4", chunks=(3,), fillvalue=-2.5)[3:] = [1, 2, 3]
    (files / "expected-nir.json").write_text(json.dumps({"steps": STEPS, **expected}) + "\n")


# The package says its version only where it is installed.
nir.version = getattr(nir, "version", "1.0.7")
main()
