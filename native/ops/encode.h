// Input encodings of a pixel byte (docs/MATHEMATICS.md, "Input encodings").
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"
#include "ops/rng.h"

namespace onespike {

// Normalised value x = (p/255 - mean)/std.
ONESPIKE_HD inline float analog_value(uint8_t p, float mean, float std) {
  return float((double(p) / 255 - double(mean)) / double(std));
}

// Spike time of a pixel byte over the steps first..T, brighter is earlier: floor(T + (first - T) * share + 1/2), in
// float64. `first` is 2 for the hybrid encoder (step 1 is analog) and 1 for time-to-first-spike.
ONESPIKE_HD inline int coded_time(uint8_t p, int timesteps, int first, double lo, double hi) {
  double share = (double(p) / 255 - lo) / (hi - lo);
  share = share < 0 ? 0 : share > 1 ? 1 : share;
  return int(std::floor(timesteps + double(first - timesteps) * share + 0.5));
}

// The rate encoder: sign(x) with probability |x|, at most 1. `position` counts the image's values (pixel, channel,
// step).
ONESPIKE_HD inline Rng rate_rng(uint64_t seed, uint64_t step, int64_t image) {
  return Rng::of(seed, step, Stream::kRate, image);
}
ONESPIKE_HD inline int8_t rate_spike(const Rng& rng, uint64_t position, float x) {
  const float magnitude = x < 0 ? -x : x;
  return rng.uniform(position) < magnitude ? int8_t(x > 0 ? 1 : -1) : int8_t(0);
}

}  // namespace onespike
