"""Runs the bench of the reference implementation, given by path, and adds what it held in memory to its line of JSON.

    python bench/pytorch-snn.py PATH/single_spike.py MODEL MODE [its flags] [--layers JSON] [--batches N,N,...]

Nothing of it is changed. `--layers` takes another network than those it knows by name, as its own list of layers. `--batches` runs
it once for every batch, a line for each as it comes, up to the first that does not fit the device. `peakDevice` is the most that
PyTorch had allocated on a GPU, bytes, without CUDA's own context.
"""
import contextlib
import gc
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


def take(arguments, flag):
    """The value of `flag`, which leaves the arguments, or None."""
    if flag not in arguments:
        return None
    at = arguments.index(flag)
    value = arguments[at + 1]
    del arguments[at:at + 2]
    return value


def bench(reference, path, arguments):
    """What one run of it says."""
    sys.argv = [path, "bench", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        reference.main()
    return json.loads(said.getvalue().strip().splitlines()[-1])


def main():
    path, *arguments = sys.argv[1:]
    reference = load(path)
    cuda = reference.torch.cuda
    imported = memory("VmHWM")
    layers = take(arguments, "--layers")
    if layers is not None:
        reference.vgg_layers = lambda name, classes: json.loads(layers)
    batches = take(arguments, "--batches")
    for batch in [None] if batches is None else batches.split(","):
        if cuda.is_available():
            gc.collect()
            cuda.empty_cache()
            cuda.reset_peak_memory_stats()
        try:
            result = bench(reference, path, arguments + ([] if batch is None else ["--batch", batch]))
        except cuda.OutOfMemoryError as error:
            print(f"batch {batch} does not fit: {str(error).splitlines()[0]}", file=sys.stderr)
            sys.exit(3)
        peak = {"peakDevice": cuda.max_memory_allocated()} if cuda.is_available() else {}
        print(json.dumps({**result, "compile": "--compile" in arguments, "peakRss": memory("VmHWM"), "runtimeRss": imported, **peak}), flush=True)


main()
