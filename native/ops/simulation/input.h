// What the value of a pixel sends in the stepped codes (docs/MATHEMATICS.md, "Simulated codes"). Values lie in [-1, 1];
// the events of a negative value are negative. `direct` sends none: its value arrives as it is, at every step.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/rng.h"
#include "ops/simulation/codes.h"

namespace onespike {

inline double with_sign_of(double size, double value) { return value < 0 ? -size : size; }

// The random numbers of one step of an image; `position` counts its values.
inline Rng simulated_rng(uint64_t seed, int64_t image, int64_t step) {
  return Rng::of(seed, Stream::kSimulation, image, step);
}

// rate: the sign of the value, with its size as probability.
inline double rate_event(const Rng& rng, uint64_t position, double value) {
  return double(rng.uniform(position)) < std::fabs(value) ? with_sign_of(1, value) : 0;
}

// phase and burst: what is left of a value between two steps.
struct PixelRest {
  double rest = 0;
  double g = 1;

  // phase: in units of SimulatedStep::input, which is half the weight of the phase.
  double phase_event(double value, int64_t step) {
    const int phase = int(step % kPhasePeriod);
    if (phase == 0) rest += value;
    const double size = std::ldexp(0.5, -phase);
    if (std::fabs(rest) < size) return 0;
    const double sign = with_sign_of(1, rest);
    rest -= sign * size;
    return sign;
  }

  double burst_event(double value) {
    rest += value;
    const double size = kBurstUnit * g;
    if (std::fabs(rest) < size) {
      g = 1;
      return 0;
    }
    const double sent = with_sign_of(size, rest);
    rest -= sent;
    g *= 2;
    return sent;
  }
};

}  // namespace onespike
