// Which backends there are. The only place that knows them by name: core receives one, and asks no questions.
#pragma once

#include <memory>

#include "core/backend/values.h"
#include "core/status.h"
#include "cpu/simulation/simulate.h"
#include "cpu/simd/targets.h"
#include "cuda/device/devices.h"

namespace onespike {

class Backend;

enum class BackendKind { kCpu, kCuda };

// Where and how a network computes.
struct BackendSpec {
  BackendKind kind = BackendKind::kCpu;
  int device = 0;   // number of the CUDA device
  int threads = 1;  // of the CPU
  Precision precision = Precision::kFp32;
};

// Errors: kArg for a number of threads out of range, kNoBackend with the reason if the device cannot run the kernels,
// kOom.
Status make_backend(const BackendSpec& spec, std::unique_ptr<Backend>* backend);

}  // namespace onespike
