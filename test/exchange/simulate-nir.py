"""Runs a NIR file in snnTorch: python simulate-nir.py FILE INPUTS N T OUT

INPUTS are floats (N, T, C, H, W). OUT gets, for every image, the step of the first spike of every neuron, layer by
layer (0 = none), and then one byte: whether any neuron fired again. A neuron is silent after its first spike, as the
metadata `single_spike` of its node says, so that the layers after it see what they see in onespike.
"""

import sys

import nir
import numpy as np
import torch
from snntorch.import_nir import _nir_to_snntorch_module


def chain(graph):
    """The nodes from the input to the output."""
    following = dict(graph.edges)
    name = next(name for name, node in graph.nodes.items() if isinstance(node, nir.Input))
    while name in following:
        name = following[name]
        yield graph.nodes[name]


def simulate(path, inputs):
    """Spike times of every layer (images, neurons), and whether neurons of an image fired again."""
    modules = []
    for node in chain(nir.read(path)):
        if isinstance(node, nir.Output):
            break
        # snnTorch 0.9.4 gives an integrator without leak a leak of 0.9: one that is given here has none.
        if isinstance(node, nir.IF):
            import snntorch

            module = snntorch.Leaky(
                beta=1.0, threshold=float(np.unique(node.v_threshold / node.r)[0]), reset_mechanism="zero", reset_delay=False
            )
        else:
            module = _nir_to_snntorch_module(node)
        modules.append((module, isinstance(node, (nir.LIF, nir.IF))))
    all_times, again = [], []
    with torch.no_grad():
        for image in inputs:
            times = [None] * len(modules)
            potentials = [None] * len(modules)
            fired_again = False
            for step, values in enumerate(image):
                x = torch.from_numpy(values)
                for i, (module, neuron) in enumerate(modules):
                    if not neuron:
                        x = module(x)
                        continue
                    if potentials[i] is None:
                        potentials[i], times[i] = torch.zeros_like(x), torch.zeros(x.shape, dtype=torch.uint8)
                    spikes, potentials[i] = module(x, potentials[i])
                    fired = spikes > 0
                    fired_again |= bool((fired & (times[i] > 0)).any())
                    first = fired & (times[i] == 0)
                    times[i][first] = step + 1
                    x = first.to(x.dtype)
            all_times.append(np.concatenate([t.numpy().ravel() for t in times if t is not None]))
            again.append(fired_again)
    return np.stack(all_times), np.array(again)


if __name__ == "__main__":
    path, inputs, images, steps, out = sys.argv[1:]
    graph = nir.read(path)
    shape = next(iter(graph.input_type.values()))
    values = np.fromfile(inputs, dtype="<f4").reshape(int(images), int(steps), *shape)
    times, again = simulate(path, values)
    np.concatenate([times, again[:, None].astype(np.uint8)], axis=1).astype(np.uint8).tofile(out)
