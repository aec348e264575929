// Norm of the gradient and update of the parameters, on the CPU.
#include <algorithm>
#include <cmath>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/update.h"

namespace onespike::cpu {

void CpuBackend::squared_norm(double* total, const float* values, int64_t count) {
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
  *total += sum;
}

void CpuBackend::finish_gradient(StepResult* result, const StepInputs* inputs) {
  const double norm = std::sqrt(result->squared_norm);
  result->gradient_scale = clip_scale(norm, inputs->clip_norm);
  result->finite = result->finite && std::isfinite(result->loss) && std::isfinite(norm);
}

void CpuBackend::update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
                        OptimizerKind kind, const UpdateParams* p, const StepResult* result) {
  if (!result->finite) return;
  filter_.forget(weight, size_t(count) * sizeof(float));
  UpdateParams scaled = *p;
  scaled.gradient_scale = result->gradient_scale;
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    const int64_t at = i * kRange, size = std::min(kRange, count - at);
    if (kind == OptimizerKind::kSgd) sgd_range(weight + at, gradient + at, slot0 + at, size, scaled);
    else adam_range(weight + at, gradient + at, slot0 + at, slot1 + at, slot2 + at, size, scaled);
  });
}

void CpuBackend::clamp_neurons(float* neurons, int count, const StepResult* result) {
  for (int i = 0; result->finite && i < count; ++i) clamp_neuron(neurons + 2 * i);
}

}  // namespace onespike::cpu
