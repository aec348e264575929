"""What a device can do at best, as PyTorch's own libraries reach it: one line of JSON.

    python bench/pytorch-peak.py [--device cuda] [--size 8192] [--seconds 2]

`bfloat16` and `float32` (without TF32) are operations per second of a square matrix product, 2 per multiply-add; `bandwidth` is bytes per
second of a copy, read and written.
"""
import argparse
import json
import time

import torch


def rate(work, per_call, seconds, wait):
    """The best of several timings of some calls each."""
    work()
    wait()
    best, start = 0.0, time.perf_counter()
    while time.perf_counter() - start < seconds or best == 0:
        began = time.perf_counter()
        for _ in range(4):
            work()
        wait()
        best = max(best, 4 * per_call / (time.perf_counter() - began))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--seconds", type=float, default=2)
    a = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    wait = torch.cuda.synchronize if a.device.startswith("cuda") else lambda: None
    result = {"device": a.device, "name": torch.cuda.get_device_name(a.device) if a.device.startswith("cuda") else "CPU", "torch": torch.__version__}
    for dtype in (torch.bfloat16, torch.float32):
        x, y = (torch.randn(a.size, a.size, device=a.device).to(dtype) for _ in range(2))
        out = torch.empty_like(x)
        result[str(dtype).split(".")[1]] = rate(lambda: torch.mm(x, y, out=out), 2 * a.size**3, a.seconds, wait)
    source = torch.empty(16 * a.size**2, dtype=torch.uint8, device=a.device)
    target = torch.empty_like(source)
    result["bandwidth"] = rate(lambda: target.copy_(source), 2 * source.numel(), a.seconds, wait)
    print(json.dumps(result))


main()
