// What the device can do at best, measured, and how long a piece of work takes on it.
#pragma once

#include <functional>

#include "cuda/device/launch.h"

namespace onespike::bench {

struct Peaks {
  double flops = 0;      // of mma.sync m16n8k16 with bf16 operands, per second
  double bandwidth = 0;  // of a copy, read and written bytes per second
};

// Milliseconds of one run: the median of several measurements of as many runs as take `least_ms` together; with
// `least_ms` 0 one run.
double milliseconds(cuda::Stream& stream, double least_ms, const std::function<void()>& run);

// `small` is for trying the program itself, on a device that is slow.
Peaks measure_peaks(cuda::Stream& stream, bool small);

}  // namespace onespike::bench
