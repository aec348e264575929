// Norm of the gradient and update of the parameters, on the CPU.
#include <algorithm>
#include <cmath>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/update.h"
#include "ops/arithmetic.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const SquaredNormTask& task) {
  const int64_t count = task.count;
  const float* values = task.values;
  double* sums = sums_.reserve(size_t(ranges(count)));
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    // Independent partial sums, so that the compiler may keep several additions in flight.
    double part[8] = {};
    const int64_t end = std::min(count, (i + 1) * kRange);
    int64_t j = i * kRange;
    for (; j + 8 <= end; j += 8)
      for (int k = 0; k < 8; ++k) part[k] += double(values[j + k]) * values[j + k];
    for (; j < end; ++j) part[0] += double(values[j]) * values[j];
    sums[i] = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  });
  double sum = 0;
  for (int64_t i = 0; i < ranges(count); ++i) sum += sums[i];
  *task.total += sum;
  return {};
}

KernelChoice CpuBackend::execute(const FinishGradientTask& task) {
  StepResult& result = *task.result;
  const double norm = std::sqrt(result.squared_norm);
  result.gradient_scale = clip_scale(norm, task.inputs->clip_norm);
  result.finite = result.finite && std::isfinite(result.loss) && std::isfinite(norm);
  return {};
}

namespace {

// A few numbers for every layer.
void update_schedules(const UpdateTask& task, const UpdateParams& p) {
  using A = ScalarArithmetic<float>;
  float* const* slots = task.slots;
  for (int64_t i = 0; i < task.count; ++i)
    update_logarithm(task.weight[i], task.gradient[i], [&](float& log_weight, float gradient) {
      float unused = 0;
      if (task.kind == OptimizerKind::kSgd) sgd_update<A>(log_weight, gradient, slots[0][i], p);
      else adam_update<A>(log_weight, gradient, slots[0][i], slots[1][i], p.amsgrad ? slots[2][i] : unused, p);
    });
}

}  // namespace

KernelChoice CpuBackend::execute(const UpdateTask& task) {
  if (!task.result->finite) return {};
  filter_.forget(task.weight, size_t(task.count) * sizeof(float));
  UpdateParams scaled = *task.params;
  scaled.gradient_scale *= task.result->gradient_scale;
  float* const* slots = task.slots;
  if (task.logarithmic) return update_schedules(task, scaled), KernelChoice();
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange, size = std::min(kRange, task.count - at);
    float* weight = task.weight + at;
    const float* gradient = task.gradient + at;
    if (task.kind == OptimizerKind::kSgd) sgd_range(weight, gradient, slots[0] + at, size, scaled);
    else adam_range(weight, gradient, slots[0] + at, slots[1] + at, slots[2] + at, size, scaled);
  });
  return {};
}

KernelChoice CpuBackend::execute(const ClampNeuronsTask& task) {
  if (!task.result->finite) return {};
  for (int i = 0; i < task.count; ++i) {
    if (task.code.kind == CodeKind::kNone) clamp_neuron(task.neurons + 2 * i);
    else clamp_code(task.code, task.neurons + 2 * i);
  }
  return {};
}

KernelChoice CpuBackend::execute(const AddTask& task) {
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t end = std::min(task.count, (i + 1) * kRange);
    float* const sum = task.sum;
    const float *const a = task.a, *const b = task.b;
    for (int64_t j = i * kRange; j < end; ++j) sum[j] = a[j] + b[j];
  });
  return {};
}

KernelChoice CpuBackend::execute(const AddResultTask& task) {
  task.add();
  return {};
}

KernelChoice CpuBackend::execute(const AverageTask& task) {
  if (!task.result->finite) return {};
  filter_.forget(task.average, size_t(task.count) * sizeof(float));
  const float decay = task.inputs->average_decay, rest = task.inputs->average_rest;
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    average_range(task.average + at, task.values + at, std::min(kRange, task.count - at), decay, rest);
  });
  return {};
}

KernelChoice CpuBackend::execute(const SpikeCostTask& task) {
  const StepInputs& in = *task.inputs;
  for (int i = 0; i < task.stages; ++i)
    task.costs[i] = spike_cost(*task.mean, in.activity_target, in.activity_strength, task.weights[i], task.share);
  return {};
}

KernelChoice CpuBackend::execute(const ActivityTask& task) {
  task.update();
  return {};
}

}  // namespace onespike::cpu
