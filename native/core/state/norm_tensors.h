// Parameters and running statistics of batch normalisation, of all stages that have it: two arrays, so that an update
// is one operation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/backend/backend.h"
#include "core/plan.h"

namespace onespike {

// Of one stage; arrays of two rows of out_cs numbers each, null where the stage has no normalisation.
struct StageNorm {
  static constexpr int kSlots = 3;
  float* affine = nullptr;   // gamma, beta
  float* running = nullptr;  // mean, variance
  float* d_affine = nullptr;
  float* affine_slot[kSlots] = {};
  float *affine_average = nullptr, *running_average = nullptr;
};

class NormTensors {
 public:
  NormTensors(const Plan& plan, Backend& backend);
  ~NormTensors();
  NormTensors(const NormTensors&) = delete;

  Status allocate();  // gamma 1, beta 0, mean 0, variance 1
  Status allocate_gradients();
  Status allocate_slots(int count);
  void zero_gradients();
  void zero_slots();
  const StageNorm& operator[](size_t stage) const { return stages_[stage]; }
  // Calls f(average, values, count) for every array that is averaged: the running statistics are. `place_averages`
  // follows, for f may have changed the pointers.
  template <class F>
  void each_average(const F& f) {
    if (count_ == 0) return;
    f(affine_average_, affine_, count_);
    f(running_average_, running_, count_);
    place_averages();
  }

  // The array of a tensor, counted as in kNormTensors; null where nothing was allocated yet, which reads as zeros.
  // Running statistics have neither gradient nor slots.
  float* array(size_t stage, TensorKind kind, int tensor) const;
  // Whether `count` numbers may be written to a tensor of that kind.
  Status check(TensorKind kind, int tensor, const std::string& name, const float* values, int64_t count) const;
  int64_t bytes() const { return bytes_; }

  void squared_norm(double* total) const;  // of the gradients, +=
  // Never decayed. Unless the step's numbers are not finite.
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result);

 private:
  Status allocate_one(float** to);
  void zero(float* values);
  void place_averages();
  // Calls f(stage, offset of its two rows) for every stage that is normalised.
  template <class F>
  void each(const F& f);

  const Plan& plan_;
  Backend& backend_;
  std::vector<StageNorm> stages_;
  int64_t count_ = 0;  // numbers in each array
  float *affine_ = nullptr, *running_ = nullptr, *d_affine_ = nullptr, *slots_[StageNorm::kSlots] = {};  // owned
  float *affine_average_ = nullptr, *running_average_ = nullptr;                                         // owned
  int64_t bytes_ = 0;
};

}  // namespace onespike
