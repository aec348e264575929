// The weight gradient of a linear layer, which reads and writes each gradient of a weight once per call, whatever the
// number of images.
#pragma once

#include <cstdint>

#include "cpu/events/row_events.h"

namespace onespike::cpu {

// d_weight of weight rows [begin, end) of one tile += scale * the gradient rows of their events.
struct LinearWeightTask {
  const RowEvents* events;
  const float* gradient;  // (gradient rows, width): of the tile alone
  float* d_weight;        // of the tile
  float scale;
  int64_t begin, end;
};
void linear_weight_rows(const LinearWeightTask& task, int width);

}  // namespace onespike::cpu
