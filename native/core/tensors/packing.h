// Weights in PyTorch's layout and in the packed one of the kernels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/shape.h"

namespace onespike {

// Calls f(index in PyTorch's (O, I, kh, kw), index in the packed tensor) for the weights of output channels [first,
// last). A linear layer's I runs over (C, H, W) of the pooled map, which is its kernel. Sixteen channels at a time:
// they are one cache line of the packed tensor, and their sixteen lines of the other one stay in the L1 cache.
template <class F>
void each_weight(const StageShape& s, int first, int last, const F& f) {
  for (const Tile& tile : tiles_of(s.out_cs)) {
    const int64_t start = int64_t(tile.begin) * s.parameter_taps() * s.src_cs;
    const int end = std::min({tile.begin + tile.width, s.out_c, last});
    for (int block = std::max(tile.begin, first); block < end; block += kLane)
      for (int c = 0; c < s.src_c; ++c)
        for (int tap = 0; tap < s.parameter_taps(); ++tap)
          for (int o = block; o < std::min(block + kLane, end); ++o)
            f((int64_t(o) * s.src_c + c) * s.parameter_taps() + tap,
              start + (int64_t(tap) * s.src_cs + c) * tile.width + (o - tile.begin));
  }
}

// The packed tiles that hold a range of a weight tensor in PyTorch's order: floats [begin, end) of the packed tensor,
// and its output channels [first, last).
struct PackedRange {
  int first = 0, last = 0;
  int64_t begin = 0, end = 0;
};

inline PackedRange packed_range(const StageShape& s, int64_t offset, int64_t count) {
  const int64_t row = int64_t(s.src_c) * s.parameter_taps(), packed_row = int64_t(s.src_cs) * s.parameter_taps();
  PackedRange range;
  range.first = int(offset / row);
  range.last = int((offset + count - 1) / row) + 1;
  const Tile front = tile_of(range.first, s.out_cs), back = tile_of(range.last - 1, s.out_cs);
  range.begin = front.begin * packed_row;
  range.end = (back.begin + back.width) * packed_row;
  return range;
}

}  // namespace onespike
