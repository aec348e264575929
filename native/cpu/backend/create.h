// The CPU backend as others see it.
#pragma once

#include <memory>

#include "core/backend/values.h"

namespace onespike {

class Backend;

// How the input gradient of convolutions is summed. Anything but kMeasured is for tests and timings.
enum class GradientKernel { kMeasured, kEvents, kDense };

struct CpuOptions {
  int threads = 1;
  Precision precision = Precision::kFp32;
  GradientKernel gradient = GradientKernel::kMeasured;
};

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

}  // namespace onespike
