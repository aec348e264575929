// The schedules of a network (docs/MATHEMATICS.md, "Schedules"): kappa and theta of every stage, T numbers each, as one
// array that is updated as one.
#pragma once

#include <cstdint>
#include <string>

#include "core/backend/backend.h"
#include "core/network.h"
#include "core/plan.h"

namespace onespike {

enum class Schedule { kKappa, kTheta };

class Schedules {
 public:
  static constexpr int kSlots = 3;

  Schedules(const Plan& plan, Backend& backend) : plan_(plan), backend_(backend) {}
  ~Schedules();
  Schedules(const Schedules&) = delete;

  // A whole number of vectors for each of them; 0 without schedules. What follows step T is of no use.
  int64_t count() const;
  Status allocate();  // all 1
  Status allocate_gradients() { return allocate_one(&gradients_); }
  Status allocate_slots(int count);
  void zero_gradients() { zero(gradients_); }
  void zero_slots();
  // Calls f(average, values, count) if there are schedules (core/state/average.cc).
  template <class F>
  void each_average(const F& f) {
    if (count() > 0) f(average_, values_, count());
  }
  // (T) of a stage; null without schedules, and of what was not allocated yet.
  float* at(TensorKind kind, size_t stage, Schedule which) const;
  void squared_norm(double* total) const;  // of the gradients, +=
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result);
  int64_t bytes() const { return bytes_; }

  // kArg for numbers that no schedule has, of the tensor `name` from `offset` on.
  static Status check(const std::string& name, int64_t offset, int64_t count, const float* values);

 private:
  Status allocate_one(float** to);
  void zero(float* values);

  const Plan& plan_;
  Backend& backend_;
  float *values_ = nullptr, *gradients_ = nullptr, *average_ = nullptr, *slots_[kSlots] = {};
  int64_t bytes_ = 0;
};

}  // namespace onespike
