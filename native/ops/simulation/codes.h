// The codes in which a converted ANN is simulated (docs/MATHEMATICS.md, "Simulated codes"): what distinguishes one from
// another, and the numbers that belong to a step. Steps count from 0.
//
// In a STEPPED code all layers share the steps, and a neuron may fire in any of them. In a LAYERED code a layer fires
// in a window of its own, once everything has arrived that the layer before has sent.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/encoders.h"
#include "ops/portable.h"

namespace onespike {

enum class SimulatedCode { kRate, kDirect, kPhase, kBurst, kTtfsConverted, kTsc, kOneSpikePhase };

constexpr SimulatedCode kSimulatedCodes[] = {
    SimulatedCode::kRate,          SimulatedCode::kDirect, SimulatedCode::kPhase,        SimulatedCode::kBurst,
    SimulatedCode::kTtfsConverted, SimulatedCode::kTsc,    SimulatedCode::kOneSpikePhase};

constexpr const char* simulated_code_name(SimulatedCode code) {
  switch (code) {
    case SimulatedCode::kRate: return "rate";
    case SimulatedCode::kDirect: return "direct";
    case SimulatedCode::kPhase: return "phase";
    case SimulatedCode::kBurst: return "burst";
    case SimulatedCode::kTtfsConverted: return "ttfs-converted";
    case SimulatedCode::kTsc: return "tsc";
    case SimulatedCode::kOneSpikePhase: break;
  }
  return "one-spike-phase";
}

constexpr bool is_stepped(SimulatedCode code) {
  switch (code) {
    case SimulatedCode::kRate:
    case SimulatedCode::kDirect:
    case SimulatedCode::kPhase:
    case SimulatedCode::kBurst: return true;
    case SimulatedCode::kTtfsConverted:
    case SimulatedCode::kTsc:
    case SimulatedCode::kOneSpikePhase: break;
  }
  return false;
}

// Whether a layer fires at most once per neuron, on a clock of ops/simulation/first_spike.h.
constexpr bool fires_once(SimulatedCode code) {
  return code == SimulatedCode::kTtfsConverted || code == SimulatedCode::kOneSpikePhase;
}

// Which step of its clock a value is rounded to: FirstSpikeClock::rounding.
constexpr double clock_rounding(SimulatedCode code, bool pixels) {
  return code == SimulatedCode::kTtfsConverted && !pixels ? 0 : 0.5;
}

// ---- stepped codes

constexpr double kBurstUnit = 1.0 / 8;  // the first spike of a burst of a pixel; the default threshold of a neuron

// What hidden neurons are compared with by default: V, or the first spike of a burst.
constexpr double default_threshold(SimulatedCode code) { return code == SimulatedCode::kBurst ? kBurstUnit : 1; }

// The numbers of one step; `threshold` is the one that the simulation was given.
struct SimulatedStep {
  float threshold = 1;  // of hidden neurons, and what one loses by a spike; of `burst` times g
  float amplitude = 1;  // of what a spike of a hidden neuron counts
  float input = 1;      // of what an event of a pixel counts
  float bias = 1;       // how often the bias is added: 1 or 0
};

inline SimulatedStep simulated_step(SimulatedCode code, double threshold, int64_t step) {
  const float v = float(threshold);
  if (code != SimulatedCode::kPhase) return {v, v, 1, 1};
  const int phase = int(step % kPhasePeriod);
  const float weight = float(std::ldexp(1.0, -phase));
  return {v * weight, v * weight, weight / 2, phase == 0 ? 1.0f : 0.0f};
}

// What the potential of the output layer is divided by after so many steps, for logits on the scale of the ANN's.
inline double logit_divisor(SimulatedCode code, int64_t steps) {
  if (!is_stepped(code)) return 1;
  if (code != SimulatedCode::kPhase) return double(steps);
  const int64_t periods = (steps + kPhasePeriod - 1) / kPhasePeriod;
  return double(periods);
}

}  // namespace onespike
