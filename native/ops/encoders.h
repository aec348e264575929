// The input encoders (docs/MATHEMATICS.md, "Input encodings"): one entry for each, with all that the rest of the code
// asks of an encoder, and the code of a pixel byte. What the first layer receives at step t is the sum of two parts:
//
//   analog   the normalised value x = (p/255 - mean)/std, at the steps that the entry names
//   events   of pixels: at most one spike each, or a signed power of two at every step
//
// A new encoder is an enumerator, an entry in the switch below, and its name in lib/model/spec.ts; a new kind of events
// is whatever the compiler then reports as not handled.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"
#include "ops/rng.h"

namespace onespike {

enum class Encoder { kHybrid, kDirect, kRate, kTtfs, kPhase, kBurst, kRadix };

constexpr Encoder kEncoders[] = {Encoder::kHybrid, Encoder::kDirect, Encoder::kRate, Encoder::kTtfs,
                                 Encoder::kPhase,  Encoder::kBurst,  Encoder::kRadix};

constexpr int kPhasePeriod = 8;  // steps in which the phase encoder sends a byte, a bit a step

enum class AnalogSteps { kNone, kFirst, kAll };

enum class InputEvents {
  kNone,
  kSpikeTimes,  // a byte per value, the step of its only spike (spike_time); 0 = none
  kSigns,       // -1, 0 or 1 per value and step, drawn at random (rate_spike)
  kPowers,      // 0 or a power of two times event_unit, per value and step (PowerCode)
};

struct EncoderEntry {
  const char* name;
  AnalogSteps analog;
  InputEvents events;
  int first_step;   // that can hold an event
  bool normalised;  // whether mean and std apply; else the value of a byte is p/255, in the ANN as well

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
    case Encoder::kHybrid: return {"hybrid", AnalogSteps::kFirst, InputEvents::kSpikeTimes, 2, true};
    case Encoder::kDirect: return {"direct", AnalogSteps::kAll, InputEvents::kNone, 1, true};
    case Encoder::kRate: return {"rate", AnalogSteps::kNone, InputEvents::kSigns, 1, true};
    case Encoder::kPhase: return {"phase", AnalogSteps::kNone, InputEvents::kPowers, 1, false};
    case Encoder::kBurst: return {"burst", AnalogSteps::kNone, InputEvents::kPowers, 1, false};
    case Encoder::kRadix: return {"radix", AnalogSteps::kNone, InputEvents::kPowers, 1, false};
    case Encoder::kTtfs: break;
  }
  return {"ttfs", AnalogSteps::kNone, InputEvents::kSpikeTimes, 1, true};
}

ONESPIKE_HD inline double normalised_pixel(uint8_t p, float mean, float std) {
  return (double(p) / 255 - double(mean)) / double(std);
}
ONESPIKE_HD inline float analog_value(uint8_t p, float mean, float std) {
  return float(normalised_pixel(p, mean, std));
}

// The intensity as an integer from 0 to `top`: floor(top * p/255 + 1/2). 255 is odd, so that no value lies on a border
// between two integers.
ONESPIKE_HD constexpr int pixel_integer(uint8_t p, int top) { return (top * int(p) * 2 + 255) / 510; }

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

// An event with a value is a byte: 0 = none, else the sign of the value and one more than the exponent of its size, in
// units of event_unit. Random signs are powers of two as well, all with exponent 0.
ONESPIKE_HD inline float event_value(int8_t code) {
  return code > 0 ? float(1 << (code - 1)) : -float(1 << (-code - 1));
}

// The value of an event with code 1.
ONESPIKE_HD inline float event_unit(Encoder encoder, int timesteps) {
  switch (encoder) {
    case Encoder::kPhase: return 1.0f / float(1 << kPhasePeriod);
    case Encoder::kBurst: return 1.0f / 8;
    case Encoder::kRadix: return 1.0f / float((1 << timesteps) - 1);
    case Encoder::kHybrid:
    case Encoder::kDirect:
    case Encoder::kRate:
    case Encoder::kTtfs: break;
  }
  return 1;
}

// The events of a pixel with the encoders of powers, step by step.
class PowerCode {
 public:
  ONESPIKE_HD PowerCode(Encoder encoder, uint8_t p, int timesteps)
      : encoder_(encoder), timesteps_(timesteps), byte_(p), rest_(double(p) / 255) {
    if (encoder == Encoder::kRadix) byte_ = pixel_integer(p, (1 << timesteps) - 1);
  }

  // The event of the next step, the first one at the first call.
  ONESPIKE_HD int8_t next() {
    const int step = step_++;
    switch (encoder_) {
      case Encoder::kPhase: return bit(kPhasePeriod - 1 - step % kPhasePeriod);
      case Encoder::kBurst: return burst();
      case Encoder::kRadix: return bit(timesteps_ - 1 - step);
      case Encoder::kHybrid:
      case Encoder::kDirect:
      case Encoder::kRate:
      case Encoder::kTtfs: break;
    }
    return 0;
  }

 private:
  ONESPIKE_HD int8_t bit(int exponent) const { return byte_ >> exponent & 1 ? int8_t(exponent + 1) : int8_t(0); }

  // Sends g/8 while the rest of the intensity holds that much; g doubles with every spike and begins anew without one.
  ONESPIKE_HD int8_t burst() {
    const double size = double(1 << exponent_) / 8;
    if (rest_ < size) {
      exponent_ = 0;
      return 0;
    }
    rest_ -= size;
    return int8_t(++exponent_);
  }

  Encoder encoder_;
  int timesteps_;
  int byte_;          // what the bits are taken from
  double rest_;       // of the burst encoder: the intensity that was not sent yet
  int exponent_ = 0;  // and of its next spike
  int step_ = 0;
};

// Whether a pixel sends an event, step by step; never a random one.
class EventSteps {
 public:
  EventSteps(Encoder encoder, uint8_t p, int timesteps, double lo, double hi)
      : events_(encoder_entry(encoder).events_in(timesteps)),
        time_(spike_time(encoder_entry(encoder), p, timesteps, lo, hi)),
        code_(encoder, p, events_ == InputEvents::kPowers ? timesteps : 1) {}

  // At the next step, the first one at the first call.
  bool next() { return events_ == InputEvents::kPowers ? code_.next() != 0 : ++step_ == time_; }

 private:
  InputEvents events_;
  int time_;
  PowerCode code_;
  int step_ = 0;
};

// How many events a pixel sends in T steps; of random ones the expected number.
inline double event_count(Encoder encoder, uint8_t p, float mean, float std, int timesteps, double lo, double hi) {
  const EncoderEntry entry = encoder_entry(encoder);
  switch (entry.events_in(timesteps)) {
    case InputEvents::kNone: break;
    case InputEvents::kSpikeTimes: return spike_time(entry, p, timesteps, lo, hi) > 0 ? 1 : 0;
    case InputEvents::kSigns: return timesteps * std::fmin(1.0, std::fabs(double(analog_value(p, mean, std))));
    case InputEvents::kPowers: {
      PowerCode code(encoder, p, timesteps);
      int events = 0;
      for (int t = 1; t <= timesteps; ++t) events += code.next() != 0;
      return events;
    }
  }
  return 0;
}

}  // namespace onespike
