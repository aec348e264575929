// Event lists of gradients. A list of one row of a map holds its events sorted by step, and within a step by column: the
// events that one pixel of the source meets in this row at this step are one contiguous run.
//
//   row:   | step T: x=0 x=0 x=2 .. | step T-1: x=1 .. | .. | step 1: .. |
//   id:    offset of the neuron in its row, x * cs + c: it selects the weight row
//
// The steps lie in the order in which the backward pass meets them. A linear layer's map is one row with one column.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/scratch.h"

namespace onespike::cpu {

struct EventRows {
  Scratch<uint32_t> ids, starts;
  Scratch<float> values;
  int64_t capacity = 0;   // events per row
  int64_t cells = 0;      // steps * columns; starts of a row has one entry more
  bool valued = false;

  void reserve(int64_t rows, int64_t row_capacity, int64_t row_cells, bool with_values) {
    capacity = row_capacity, cells = row_cells, valued = with_values;
    ids.reserve(size_t(rows * capacity));
    starts.reserve(size_t(rows * (cells + 1)));
    if (valued) values.reserve(size_t(rows * capacity));
  }
  uint32_t* row_ids(int64_t row) const { return ids.data() + row * capacity; }
  float* row_values(int64_t row) const { return valued ? values.data() + row * capacity : nullptr; }
  uint32_t* row_starts(int64_t row) const { return starts.data() + row * (cells + 1); }
};

}  // namespace onespike::cpu
