// The input encoders (docs/MATHEMATICS.md, "Input encodings"): one entry for each, with all that the rest of the code
// asks of an encoder, and the code of a pixel byte. What the first layer receives at step t is the sum of two parts:
//
//   analog   the normalised value x = (p/255 - mean)/std, at the steps that the entry names
//   events   of pixels: at most one spike each, or a random sign at every step
//
// A new encoder is an enumerator, an entry in the switch below, and its name in lib/model/description.ts; a new kind of
// events is whatever the compiler then reports as not handled.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"
#include "ops/rng.h"

namespace onespike {

enum class Encoder { kHybrid, kDirect, kRate, kTtfs };

constexpr Encoder kEncoders[] = {Encoder::kHybrid, Encoder::kDirect, Encoder::kRate, Encoder::kTtfs};

enum class AnalogSteps { kNone, kFirst, kAll };

enum class InputEvents {
  kNone,
  kSpikeTimes,  // a byte per value, the step of its only spike (spike_time); 0 = none
  kSigns,       // -1, 0 or 1 per value and step, drawn at random (rate_spike)
};

struct EncoderEntry {
  const char* name;
  AnalogSteps analog;
  InputEvents events;
  int first_step;  // that can hold an event

  // What the events are in a network of T steps: too few leave no step for them.
  ONESPIKE_HD constexpr InputEvents events_in(int timesteps) const {
    return first_step <= timesteps ? events : InputEvents::kNone;
  }
  ONESPIKE_HD constexpr int analog_steps(int timesteps) const {
    switch (analog) {
      case AnalogSteps::kNone: return 0;
      case AnalogSteps::kFirst: return 1;
      case AnalogSteps::kAll: break;
    }
    return timesteps;
  }
  // Whether what it sends depends on a random draw, and on where in the batch an image stands.
  ONESPIKE_HD constexpr bool random() const { return events == InputEvents::kSigns; }
};

ONESPIKE_HD constexpr EncoderEntry encoder_entry(Encoder encoder) {
  switch (encoder) {
    case Encoder::kHybrid: return {"hybrid", AnalogSteps::kFirst, InputEvents::kSpikeTimes, 2};
    case Encoder::kDirect: return {"direct", AnalogSteps::kAll, InputEvents::kNone, 1};
    case Encoder::kRate: return {"rate", AnalogSteps::kNone, InputEvents::kSigns, 1};
    case Encoder::kTtfs: break;
  }
  return {"ttfs", AnalogSteps::kNone, InputEvents::kSpikeTimes, 1};
}

ONESPIKE_HD inline float analog_value(uint8_t p, float mean, float std) {
  return float((double(p) / 255 - double(mean)) / double(std));
}

// Coded time of a pixel byte, brighter is earlier: floor(T + (first - T) * share + 1/2) over the steps first..T, in
// float64. `lo` and `hi` are the intensities of step T and of the first one; 0 = the encoder has no coded time at T.
ONESPIKE_HD inline int spike_time(const EncoderEntry& entry, uint8_t p, int timesteps, double lo, double hi) {
  if (entry.events_in(timesteps) != InputEvents::kSpikeTimes) return 0;
  double share = (double(p) / 255 - lo) / (hi - lo);
  share = share < 0 ? 0 : share > 1 ? 1 : share;
  return int(std::floor(timesteps + double(entry.first_step - timesteps) * share + 0.5));
}

// A random sign: that of x with probability |x|, at most 1, else 0. `position` counts the image's values (pixel,
// channel, step).
ONESPIKE_HD inline Rng rate_rng(uint64_t seed, uint64_t step, int64_t image) {
  return Rng::of(seed, step, Stream::kRate, image);
}
ONESPIKE_HD inline int8_t rate_spike(const Rng& rng, uint64_t position, float x) {
  const float magnitude = x < 0 ? -x : x;
  return rng.uniform(position) < magnitude ? int8_t(x > 0 ? 1 : -1) : int8_t(0);
}

// How many events a pixel sends in T steps; of random ones the expected number.
inline double event_count(const EncoderEntry& entry, uint8_t p, float mean, float std, int timesteps, double lo,
                          double hi) {
  switch (entry.events_in(timesteps)) {
    case InputEvents::kNone: break;
    case InputEvents::kSpikeTimes: return spike_time(entry, p, timesteps, lo, hi) > 0 ? 1 : 0;
    case InputEvents::kSigns: return timesteps * std::fmin(1.0, std::fabs(double(analog_value(p, mean, std))));
  }
  return 0;
}

}  // namespace onespike
