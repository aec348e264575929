// Parameters and running statistics of batch normalisation, of all stages that have it: two arrays, so that an update
// is one operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/backend/backend.h"
#include "core/plan.h"
#include "core/state/parameter_array.h"

namespace onespike {

// Of one stage; arrays of two rows of out_cs numbers each, null where the stage has no normalisation.
struct StageNorm {
  float* affine = nullptr;   // gamma, beta
  float* running = nullptr;  // mean, variance
  float* d_affine = nullptr;
};

class NormTensors {
 public:
  NormTensors(const Plan& plan, Backend& backend);

  Status allocate();  // gamma 1, beta 0, mean 0, variance 1
  ParameterArray& affine() { return affine_; }
  const ParameterArray& affine() const { return affine_; }
  StageNorm operator[](size_t stage) const;
  // Calls f(average, values, count) for every array that is averaged: the running statistics are.
  template <class F>
  void each_average(const F& f) {
    affine_.each_average(f), running_.each_average(f);
  }

  // The array of a tensor, counted as in kNormTensors; null where nothing was allocated yet, which reads as zeros.
  // Running statistics have neither gradient nor slots.
  float* array(size_t stage, TensorKind kind, int tensor) const;
  // Whether `count` numbers may be written to a tensor of that kind.
  Status check(TensorKind kind, int tensor, const std::string& name, const float* values, int64_t count) const;
  int64_t bytes() const { return affine_.bytes() + running_.bytes(); }

  // Never decayed. Unless the step's numbers are not finite.
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
    affine_.optimise(kind, &inputs->biases, result);
  }

 private:
  const Plan& plan_;
  Backend& backend_;
  std::vector<int64_t> offsets_;  // per stage, of its rows in either array
  ParameterArray affine_, running_;
};

}  // namespace onespike
