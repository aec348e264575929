// Levels of a code over ranges of a map, in both directions; the formulas are those of ops/code/code.h.
#pragma once

#include <cstdint>

#include "ops/code/code.h"

namespace onespike::cpu {

// The level of each weighted input: the number of borders that it reaches. `count` is a multiple of kLane.
void quantise_range(uint8_t* levels, const float* weighted, int64_t count, const float* borders, int largest);
// The numbers that levels stand for. `count` is a multiple of kLane, the table has kTableSize entries.
void decode_range(float* to, const uint8_t* levels, int64_t count, const float* values);
int64_t count_bits(const uint8_t* levels, int64_t count);  // of ones, `count` a multiple of kLane

// Sums over a range of the gradients of a layer's two parameters.
struct PairGradient {
  double first = 0, second = 0;
};
// Replaces d, the gradient at what was sent, by that at the weighted input.
PairGradient code_gradient_range(float* d, const float* weighted, const uint8_t* levels, int64_t count,
                                 const float* values, const CodeParams& params, const SpikeCode& code);

}  // namespace onespike::cpu
