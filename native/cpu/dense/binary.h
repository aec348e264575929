// The binary activation over ranges of a map; the formulas are those of ops/ann/binary.h.
#pragma once

#include <cstdint>

namespace onespike::cpu {

// `out` may be `x`. Counts are multiples of kLane. Returns how many fire.
int64_t binary_range(float* out, const float* x, int64_t count, float threshold);
// Replaces d, the gradient at what was sent, by that at x; returns the gradient of the threshold. A spike costs `cost`.
double binary_gradient_range(float* d, const float* x, int64_t count, float threshold, float cost);

}  // namespace onespike::cpu
