// The schedules of a network (docs/MATHEMATICS.md, "Schedules"): kappa and theta of every stage, T numbers each, as one
// array that is updated as one.
#pragma once

#include <cstdint>
#include <string>

#include "core/backend/backend.h"
#include "core/network.h"
#include "core/plan.h"
#include "core/state/parameter_array.h"

namespace onespike {

enum class Schedule { kKappa, kTheta };

class Schedules {
 public:
  Schedules(const Plan& plan, Backend& backend);

  Status allocate();  // all 1
  ParameterArray& array() { return array_; }
  const ParameterArray& array() const { return array_; }
  // (T) of a stage; null without schedules, and of what was not allocated yet.
  float* at(TensorKind kind, size_t stage, Schedule which) const;
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
    array_.optimise(kind, &inputs->neurons, result, true);
  }

  // kArg for numbers that no schedule has, of the tensor `name` from `offset` on.
  static Status check(const std::string& name, int64_t offset, int64_t count, const float* values);

 private:
  int64_t stride_;  // a whole number of vectors for each of them; what follows step T is of no use
  Backend& backend_;
  ParameterArray array_;  // of no numbers without schedules
};

}  // namespace onespike
