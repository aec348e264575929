// The update of parameters over a range of elements, in vectors.
#pragma once

#include <cstdint>

#include "ops/update.h"

namespace onespike::cpu {

void sgd_range(float* w, const float* g, float* m, int64_t count, const UpdateParams& p);
void adam_range(float* w, const float* g, float* m, float* v, float* top, int64_t count, const UpdateParams& p);
void average_range(float* average, const float* values, int64_t count, float decay, float rest);

}  // namespace onespike::cpu
