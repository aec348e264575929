// Operations of the activity target (docs/MATHEMATICS.md, "Activity target"): one task each. What a task writes is
// overwritten unless it says otherwise.
#pragma once

#include <cstdint>

#include "core/backend/values.h"
#include "ops/loss/activity.h"

namespace onespike {

// What a spike of each stage costs in the step, from the running mean over the steps before it.
struct SpikeCostTask {
  static constexpr const char* kOperation = "activity";
  float* costs = nullptr;           // (stages)
  const double* weights = nullptr;  // (stages) of a spike in the activity
  const double* mean = nullptr;
  const StepInputs* inputs = nullptr;
  double share = 1;  // of one image in the batch
  int stages = 0;
};

// The running mean takes in the spikes of the step, unless nothing was updated.
struct ActivityTask {
  static constexpr const char* kOperation = "activity";
  double* mean = nullptr;
  const double* weights = nullptr;  // (stages)
  const int64_t* spikes = nullptr;  // (stages) of the batch
  const StepInputs* inputs = nullptr;
  const StepResult* result = nullptr;
  double share = 1;
  int stages = 0;

  // For code that can read backend memory.
  ONESPIKE_HD void update() const {
    if (!result->finite) return;
    const double decay = inputs->activity_decay;
    *mean = decay * *mean + (1 - decay) * mean_activity(spikes, weights, stages, share);
  }
};

}  // namespace onespike
