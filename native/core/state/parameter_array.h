// An array of parameters on a backend, and the arrays of training beside it, number for number.
#pragma once

#include <array>
#include <cstdint>

#include "core/backend/backend.h"
#include "core/network.h"

namespace onespike {

constexpr int kOptimizerSlots = 3;

// The tensors that an optimiser's slot holds.
inline TensorKind slot_kind(int slot) { return TensorKind(int(TensorKind::kSlot0) + slot); }

// `count` floats of zeros in *to, unless there is an array; adds their bytes to *bytes. `what` they are, for errors.
Status allocate_array(Backend& backend, float** to, int64_t count, const char* what, int64_t* bytes);

// The parameters themselves, their gradients, the slots of an optimiser and the average, each allocated when it is
// first needed. An array of no numbers never is.
class ParameterArray {
 public:
  ParameterArray(Backend& backend, int64_t count, const char* what) : backend_(backend), count_(count), what_(what) {}
  ~ParameterArray();
  ParameterArray(const ParameterArray&) = delete;

  int64_t count() const { return count_; }
  int64_t bytes() const { return bytes_; }
  // Null until it is allocated, which reads as zeros.
  float* at(TensorKind kind) const { return arrays_[size_t(kind)]; }
  Status allocate(TensorKind kind);
  Status allocate_slots(int slots);
  void zero(TensorKind kind);
  void zero_slots();
  // Calls f(average, parameters, count), which may change both pointers (core/state/average.cc).
  template <class F>
  void each_average(const F& f) {
    if (count_ > 0) f(arrays_[size_t(TensorKind::kAverage)], arrays_[size_t(TensorKind::kParameter)], count_);
  }
  void squared_norm(double* total) const;  // of the gradients, +=
  // Unless the step's numbers are not finite. `logarithmic` as in UpdateTask.
  void optimise(OptimizerKind kind, const UpdateParams* params, const StepResult* result, bool logarithmic = false);

 private:
  Backend& backend_;
  int64_t count_ = 0, bytes_ = 0;
  const char* what_;
  std::array<float*, size_t(TensorKind::kAverage) + 1> arrays_ = {};  // by kind; owned
};

}  // namespace onespike
