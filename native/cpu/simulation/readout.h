// The output layer of a simulated image: its potentials, in double precision because they grow with every step, and the
// predictions and logits that are kept of them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/simulation/simulation.h"

namespace onespike::cpu {

class Readout {
 public:
  // `predictions` (recorded steps) and `logits` (logit steps, K) are those of the image.
  Readout(const SimulationOptions& options, size_t stages, int classes, int32_t* predictions, float* logits)
      : options_(options),
        steps_(simulation_steps(options, stages)),
        potential(size_t(classes), 0.0),
        predictions_(predictions),
        logits_(logits) {}

  void end_step() {
    ++step_;
    if (step_ % options_.record == 0 || step_ == steps_) *predictions_++ = prediction();
    if (kept_ == options_.logit_steps.size() || options_.logit_steps[kept_] != step_) return;
    ++kept_;
    const double divisor = logit_divisor(options_.code, step_);
    for (const double u : potential) *logits_++ = float(u / divisor);
  }

 private:
  int32_t prediction() const {
    size_t best = 0;
    for (size_t k = 1; k < potential.size(); ++k)
      if (potential[k] > potential[best]) best = k;
    return int32_t(best);
  }

  const SimulationOptions& options_;
  int64_t steps_, step_ = 0;

 public:
  std::vector<double> potential;  // (K)

 private:
  int32_t* predictions_;
  float* logits_;
  size_t kept_ = 0;
};

}  // namespace onespike::cpu
