// Division of 32-bit integers by a divisor that the host knows: a product and a shift, 3 instructions instead of some
// 20 of a 32-bit and 70 of a 64-bit division.
#pragma once

#include <cstdint>

#include "ops/portable.h"

namespace onespike::cuda {

// quotient(n) = n / divisor for 0 <= n < 2^31. With s = ceil(log2 divisor) the multiplier is
// floor(2^32 (2^s - divisor) / divisor) + 1, and n / divisor = (floor(n multiplier / 2^32) + n) / 2^s (Granlund and
// Montgomery, "Division by invariant integers using multiplication", 1994); the sum stays below 2^32.
struct FastDivide {
  uint32_t multiplier = 1;
  int shift = 0;

  FastDivide() = default;
  explicit FastDivide(int divisor) {
    while ((int64_t(1) << shift) < divisor) ++shift;
    multiplier = uint32_t((uint64_t((int64_t(1) << shift) - divisor) << 32) / uint64_t(divisor)) + 1;
  }
  ONESPIKE_HD int quotient(int n) const {
    const uint32_t high = uint32_t((uint64_t(uint32_t(n)) * multiplier) >> 32);
    return int((high + uint32_t(n)) >> shift);
  }
};

}  // namespace onespike::cuda
