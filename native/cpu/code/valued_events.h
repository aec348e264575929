// Valued events of the maps that a stage reads: what is not zero, row by row, and the pass that adds a weight row times
// the value for each of them.
//
// It adds in the order of the dense product, taps in rows and channels ascending, and leaves out the terms that are
// zero: so both have bit-identical results, and which of them runs is a question of time alone.
#pragma once

#include <cstdint>

#include "cpu/simd/scratch.h"
#include "ops/shape.h"

namespace onespike::cpu {

// A stage as this pass sees it; a linear layer is one cell with one tap.
struct ValuedGeometry {
  explicit ValuedGeometry(const StageShape& s)
      : kernel_h(s.linear ? 1 : s.kernel_h),
        kernel_w(s.linear ? 1 : s.kernel_w),
        stride(s.stride),
        pad(s.linear ? 0 : s.pad),
        in_h(s.linear ? 1 : s.in_h),
        in_w(s.linear ? 1 : s.in_w),
        cs(s.linear ? s.taps() * s.src_cs : s.src_cs),
        out_h(s.out_h),
        out_w(s.out_w),
        out_cs(s.out_cs) {}

  int kernel_h, kernel_w, stride, pad, in_h, in_w, cs, out_h, out_w, out_cs;
  int64_t row() const { return int64_t(in_w) * cs; }
};

// The events of n images: those of a row lie together, cells ascending, channels ascending.
class ValuedEvents {
 public:
  explicit ValuedEvents(ScratchSet& set) : ids_(set), values_(set), starts_(set) {}

  void reserve(int64_t rows, const ValuedGeometry& g);
  // Of row i, from its numbers. Returns how many there are.
  int64_t fill(int64_t i, const float* numbers, const ValuedGeometry& g);

  // Of row i: id is x * cs + channel; those of cell x are [starts(i)[x], starts(i)[x + 1]).
  const uint32_t* ids(int64_t i, const ValuedGeometry& g) const { return ids_.data() + i * g.row(); }
  const float* values(int64_t i, const ValuedGeometry& g) const { return values_.data() + i * g.row(); }
  const uint32_t* starts(int64_t i, const ValuedGeometry& g) const { return starts_.data() + i * (g.in_w + 1); }

 private:
  Scratch<uint32_t> ids_;
  Scratch<float> values_;
  Scratch<uint32_t> starts_;
};

// Weighted input of one output row and one tile of channels.
struct ValuedRow {
  float* out = nullptr;           // of the row and the tile, cells out_cs apart
  const float* bias = nullptr;    // of the tile, or null
  const float* weight = nullptr;  // packed weights of the tile
  int width = 0;                  // of the tile
  int64_t first_row = 0;          // of the events: the image's
  int y = 0;                      // of the output
};
void valued_row(const ValuedRow& task, const ValuedEvents& events, const ValuedGeometry& g);

}  // namespace onespike::cpu
