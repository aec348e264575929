// Operations of the binary activation of an ANN: one task each. What a task writes is overwritten unless it says `+=`.
// ops/ann/binary.h has the formulas. Counts are those of whole maps.
#pragma once

#include <cstdint>

namespace onespike {

struct BinaryForwardTask {
  static constexpr const char* kOperation = "binary_forward";
  float* out = nullptr;           // (count), may be `x`
  const float* x = nullptr;       // (count) weighted input, normalised if the stage is
  const float* neuron = nullptr;  // threshold, leak
  int64_t* spikes = nullptr;      // += how many fire
  int64_t count = 0;
};

// The gradient at x, in the place of that at what was sent.
struct BinaryBackwardTask {
  static constexpr const char* kOperation = "binary_backward";
  float* d_out = nullptr;     // (count)
  float* d_neuron = nullptr;  // += gradient of the threshold
  const float* x = nullptr;   // (count)
  const float* neuron = nullptr;
  const float* cost = nullptr;  // of a spike, or null = 0
  int64_t count = 0;
};

}  // namespace onespike
