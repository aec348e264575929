// The gradients of the schedules of a stage (core/backend/spiking_tasks.h), one row of neurons at a time.
#pragma once

#include <cstdint>

#include "ops/shape.h"

namespace onespike::cpu {

struct ScheduleTask {
  const float* potential;
  const float* a;
  const float* spike_a;  // or null
  const uint8_t* times;  // or null
  const float* bias;     // or null
  const StageShape* shape;
  float leak, start;  // and U(0)
  int timesteps;
};
// sums[t - 1] = the sum over the row of g(t) (U(t) - leak U(t-1) - bias), sums[T + t - 1] that of a(t) U(t), with
// `spike_a` in the place of a(t) if there is one. `g` has out_w * out_cs floats.
void schedule_row(const ScheduleTask& task, int64_t image, int y, float* g, double* sums);

}  // namespace onespike::cpu
