// Codes in which the time of a spike says how large a value is (docs/MATHEMATICS.md, "Simulated codes"): the borders
// that values are compared with and what spikes count, in float64 and rounded to floats once, so that the time of a
// spike is exact by definition.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/code/code.h"

namespace onespike {

// ttfs-converted and one-spike-phase. A value fires at the first step k in 0 .. window with value >= border(k), and
// counts value(k) = exp((delay - k) / time constant). What is smaller than the last border sends no spike.
struct FirstSpikeClock {
  double time_constant = 20;
  double delay = 0;
  // In steps: 1/2 rounds the logarithm to the nearest step, 0 to the next one.
  double rounding = 0.5;

  double border(int64_t k) const { return std::exp(-(double(k) + rounding - delay) / time_constant); }
  double value(int64_t k) const { return std::exp((delay - double(k)) / time_constant); }
};

// Whether the smallest and the largest exponent on a clock with `window` have a size of at most kMaxExponent.
inline bool clock_in_range(const FirstSpikeClock& clock, int64_t window) {
  return (double(window) + clock.rounding - clock.delay) / clock.time_constant <= kMaxExponent &&
         std::fabs(clock.delay) / clock.time_constant <= kMaxExponent;
}

// The step of the spike of a value that is known at once, plus 1; 0 if it sends none. `borders` (steps) fall.
inline int32_t first_spike(float value, const float* borders, int64_t steps) {
  for (int64_t k = 0; k < steps; ++k)
    if (value >= borders[k]) return int32_t(k + 1);
  return 0;
}

// tsc: a value is the distance of two spikes, so many steps of `steps`. 0 = it sends none.
template <class F>
inline int64_t tsc_distance(F value, int64_t steps) {
  if (!(value > 0)) return 0;
  return int64_t(std::floor((value < 1 ? value : F(1)) * F(steps - 1)));
}

}  // namespace onespike
