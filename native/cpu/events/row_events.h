// The events of a linear layer sorted by weight row, for its weight gradient.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

// The events of n images bucketed by weight row (pooled cell, source channel), images ascending within a row. An entry
// is the gradient row of its image and step: image * T + step - 1.
struct RowEvents {
  explicit RowEvents(ScratchSet& set) : gradient_rows(set), starts(set), values(set) {}

  Scratch<uint32_t> gradient_rows, starts;
  Scratch<float> values;  // of events that have one
  bool valued = false;
};
void sort_by_row(RowEvents* events, const SpikeSource& source, int n, int timesteps, const StageShape& s,
                 ThreadPool& pool);

}  // namespace onespike::cpu
