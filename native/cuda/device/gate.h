// Two kernels that do the same are both enqueued, and a number in device memory says which of them works: the other
// returns at once. The host waits for nothing, and a recorded step is valid whatever the number will be.
#pragma once

#include <cstdint>

#include "ops/portable.h"

namespace onespike::cuda {

enum class Variant : int32_t { kDense = 0, kEvents = 1 };

struct Gate {
  const Variant* chosen = nullptr;  // on the device; null = open
  Variant variant = Variant::kDense;

  ONESPIKE_HD bool closed() const { return chosen && *chosen != variant; }
};

}  // namespace onespike::cuda
