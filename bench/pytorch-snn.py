"""Runs the bench of the reference implementation, given by path, and adds what it held in memory to its line of JSON.

    python bench/pytorch-snn.py PATH/single_spike.py MODEL MODE [its flags] [--layers JSON]

Nothing of it is changed. `--layers` takes another network than those it knows by name, as its own list of layers.
"""
import contextlib
import importlib.util
import io
import json
import sys


def memory(key):
    """Bytes of this process by the name of a line in /proc/self/status."""
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith(key + ":")).split()[1])


def load(path):
    """The module at `path`, which must not run its command line."""
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    path, *arguments = sys.argv[1:]
    reference = load(path)
    imported = memory("VmHWM")
    if "--layers" in arguments:
        at = arguments.index("--layers")
        layers = json.loads(arguments[at + 1])
        del arguments[at:at + 2]
        reference.vgg_layers = lambda name, classes: layers
    sys.argv = [path, "bench", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        reference.main()
    result = json.loads(said.getvalue().strip().splitlines()[-1])
    print(json.dumps({**result, "peakRss": memory("VmHWM"), "runtimeRss": imported}))


main()
