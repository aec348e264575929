// The neurons of a layer as the CPU's kernels take them.
#pragma once

#include "core/backend/backend.h"

namespace onespike::cpu {

// Read from where core keeps them.
struct NeuronValues {
  explicit NeuronValues(const NeuronParams& p)
      : timesteps(p.timesteps),
        threshold(p.threshold()),
        leak(p.leak()),
        surrogate(p.surrogate),
        kappa(p.kappa),
        theta(p.theta),
        initial(p.initial),
        start(p.initial_potential()) {}

  int timesteps;
  float threshold, leak;  // an infinite threshold never fires
  SurrogateParams surrogate;
  const float *kappa, *theta;  // (T) schedules, or null
  float initial, start;        // U(0) / V and U(0)
};

}  // namespace onespike::cpu
