// Codes of a coded network (docs/MATHEMATICS.md, "Coded networks"): a neuron sends one byte, which stands for a number.
//
// A LEVEL is what lies in a map of bytes: 0 sends nothing, and a higher level is a larger number. Level l is sent for
// weighted inputs from border(l) to border(l + 1) and counts as value(l). Of `ttfs` and `one-spike-phase` level l is a
// spike at step levels - l of the window; of `radix` it is the integer itself. So a maximum over levels is the maximum
// of the numbers, and the earliest spike.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/arithmetic.h"
#include "ops/encoders.h"
#include "ops/portable.h"

namespace onespike {

#include "ops/code/code-inl.h"

enum class CodeKind { kNone, kTtfs, kRadix, kPhase };

// What the layers of a network have in common.
struct SpikeCode {
  CodeKind kind = CodeKind::kNone;
  int window = 0;       // ttfs: the last step of a layer's window, t_w
  int bits = 0;         // radix
  int weight_bits = 0;  // radix in integers: of a weight; its step is a power of two. 0 = as they are
  float base = 2;       // one-spike-phase: a spike counts base^-k
  int period = 0;       // and its steps, K

  ONESPIKE_HD bool fires_once() const { return kind == CodeKind::kTtfs || kind == CodeKind::kPhase; }
  // The largest level.
  ONESPIKE_HD int levels() const {
    return kind == CodeKind::kTtfs ? window + 1 : kind == CodeKind::kPhase ? period : (1 << bits) - 1;
  }
  // What a trace holds: of a spike in a window its step counted from 1, of radix the integer; 0 = nothing.
  ONESPIKE_HD uint8_t trace(uint8_t level) const {
    return fires_once() && level > 0 ? uint8_t(levels() + 1 - level) : level;
  }
};

constexpr int kTableSize = 256;  // of values, and of borders: entry l belongs to level l

// The numbers of one layer: the time constant t_c and the delay t_d of a window, or the step s of radix.
struct CodeParams {
  double first = 1, second = 0;
};

// The power of two that is nearest in the logarithm.
ONESPIKE_HD inline double power_of_two(double x) { return std::exp2(std::floor(std::log2(x) + 0.5)); }

// From the two floats that a layer keeps. Those of one-spike-phase follow from its base.
ONESPIKE_HD inline CodeParams code_params(const SpikeCode& code, const float* pair) {
  if (code.kind == CodeKind::kPhase) return {1 / std::log(double(code.base)), 0};
  if (code.weight_bits > 0) return {power_of_two(pair[0]), 0};
  return {double(pair[0]), double(pair[1])};
}

// The number that a level stands for.
ONESPIKE_HD inline double code_value(const SpikeCode& code, const CodeParams& p, int level) {
  if (level == 0) return 0;
  return code.fires_once() ? std::exp((p.second - (code.levels() - level)) / p.first) : level * p.first;
}

// The smallest weighted input that is sent as this level, or a higher one; level >= 1. It is above 0 for every code.
ONESPIKE_HD inline double code_border(const SpikeCode& code, const CodeParams& p, int level) {
  return code.fires_once() ? std::exp(-(code.levels() - level + 0.5 - p.second) / p.first) : (level - 0.5) * p.first;
}

// What a pixel byte counts as: of radix an integer of `bits` bits over the largest one, else the normalised value.
ONESPIKE_HD inline float code_pixel(const SpikeCode& code, uint8_t byte, float mean, float std) {
  if (code.kind != CodeKind::kRadix) return analog_value(byte, mean, std);
  return float(double(pixel_integer(byte, code.levels())) / code.levels());
}

// Straight-through derivatives of the number a that is sent, by the weighted input v and by the layer's two numbers. No
// code: those of ReLU.
struct CodeSlopes {
  double v = 0, first = 0, second = 0;
};

ONESPIKE_HD inline CodeSlopes code_slopes(const SpikeCode& code, const CodeParams& p, float v, uint8_t level,
                                          float value) {
  const double a = value, x = v;
  if (code.kind == CodeKind::kNone) return {x > 0 ? 1.0 : 0.0, 0, 0};
  if (!code.fires_once()) {
    const double top = code.levels() * p.first;
    if (x >= top) return {0, double(code.levels()), 0};
    return x > 0 ? CodeSlopes{1, level - x / p.first, 0} : CodeSlopes{};
  }
  if (level == 0) return {};
  const double log_v = std::log(x);
  // A spike whose unrounded time is negative is clipped to step 0: its value no longer follows v.
  if (p.second - p.first * log_v < 0) return {0, -a * p.second / (p.first * p.first), a / p.first};
  const double log_a = (p.second - (code.levels() - level)) / p.first;
  return {a / x, a * (log_v - log_a) / p.first, 0};
}

// ---- weights of so many bits

// The unit of a layer's weights: the smallest power of two by which the largest of them is an integer of its bits.
ONESPIKE_HD inline float weight_unit(float largest, int bits) {
  const double top = double((1 << (bits - 1)) - 1);
  return largest > 0 ? float(std::exp2(std::ceil(std::log2(double(largest) / top)))) : 1.0f;
}

ONESPIKE_HD inline float rounded_weight(float weight, float unit) { return std::rint(weight / unit) * unit; }

// ---- ranges of the numbers of a layer

constexpr float kMinTimeConstant = 0.25f, kMaxTimeConstant = 1000.0f;
// The largest exponent of a border or of a value, so that none of them is 0 or infinite in 32 bits.
constexpr float kMaxExponent = 80.0f;
constexpr float kMinStep = 1e-6f, kMaxStep = 0x1p20f;

// The delays that a time constant allows.
ONESPIKE_HD inline float min_delay(const SpikeCode& code, float time_constant) {
  return float(code.window) + 0.5f - kMaxExponent * time_constant;
}
ONESPIKE_HD inline float max_delay(float time_constant) { return kMaxExponent * time_constant; }

// The two numbers of a layer back into their ranges after an update. Not a number stays one.
ONESPIKE_HD inline void clamp_code(const SpikeCode& code, float* pair) {
  const auto clamp = [](float& x, float low, float high) {
    if (x < low) x = low;
    if (x > high) x = high;
  };
  if (code.kind == CodeKind::kRadix) return clamp(pair[0], kMinStep, kMaxStep);
  if (code.kind != CodeKind::kTtfs) return;
  clamp(pair[0], kMinTimeConstant, kMaxTimeConstant);
  clamp(pair[1], min_delay(code, pair[0]), max_delay(pair[0]));
}

}  // namespace onespike
