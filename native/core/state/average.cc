// The exponential moving average of the parameters: arrays beside theirs, in the same layout.
#include <utility>

#include "core/state/parameters.h"

namespace onespike {

template <class F>
void Parameters::each_average(const F& f) {
  for (size_t i = 0; i < stages_.size(); ++i) {
    StageParameters& p = stages_[i];
    f(p.weight_average, p.weight, plan_.stages[i].parameters());
    f(p.bias_average, p.bias, int64_t(plan_.stages[i].out_cs));
  }
  neurons_.each_average(f);
  norm_.each_average(f);
  schedules_.array().each_average(f);
  genes_.each_array([&](ParameterArray& array) { array.each_average(f); });
}

Status Parameters::allocate_average() {
  Status status;
  each_average([&](float*& average, float*, int64_t count) {
    if (status.ok()) status = allocate_one(&average, count);
  });
  if (!status.ok()) drop_average();
  return status;
}

Status Parameters::start_average() {
  if (averaged()) return Status::success();
  if (Status status = allocate_average(); !status.ok()) return status;
  each_average([&](float* average, float* values, int64_t count) {
    backend_.copy(average, values, size_t(count) * sizeof(float));
  });
  return Status::success();
}

void Parameters::drop_average() {
  each_average([&](float*& average, float*, int64_t count) {
    if (average) bytes_ -= count * int64_t(sizeof(float));
    backend_.release(average);
    average = nullptr;
  });
  stale_[1] = false;
}

void Parameters::average(const StepInputs* inputs, const StepResult* result) {
  each_average([&](float* average, float* values, int64_t count) {
    backend_.run(AverageTask{.average = average, .values = values, .count = count, .inputs = inputs, .result = result});
  });
}

void Parameters::swap_average() {
  each_average([](float*& average, float*& values, int64_t) { std::swap(average, values); });
  std::swap(stale_[0], stale_[1]);
  place_neurons();
}

}  // namespace onespike
