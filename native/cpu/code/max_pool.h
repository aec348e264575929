// Maximum pools over one row of windows (ops/code/max_pool.h). T is uint8_t, of levels, or float, of numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/shape.h"

namespace onespike::cpu {

// Where the cells of a window lie from its first one, in the order of their visits.
std::vector<int64_t> window_offsets(const StageShape& s);

template <class T>
void max_pool_row(T* to, const T* below, const std::vector<int64_t>& offsets, const StageShape& s) {
  const int side = s.max.side();
  for (int x = 0; x < s.src_w; ++x, to += s.src_cs) {
    const T* window = below + int64_t(x) * side * s.src_cs;
    for (int c = 0; c < s.src_cs; ++c) to[c] = window[c];
    for (size_t i = 1; i < offsets.size(); ++i) {
      const T* at = window + offsets[i];
      for (int c = 0; c < s.src_cs; ++c) to[c] = at[c] > to[c] ? at[c] : to[c];
    }
  }
}

// Into a row of windows of `d_below` that holds zeros.
template <class T>
void max_pool_gradient_row(float* d_below, const float* d_src, const T* below, const std::vector<int64_t>& offsets,
                           const StageShape& s) {
  const int side = s.max.side();
  for (int x = 0; x < s.src_w; ++x, d_src += s.src_cs) {
    const int64_t window = int64_t(x) * side * s.src_cs;
    for (int c = 0; c < s.src_cs; ++c) {
      const T* at = below + window + c;
      size_t first = 0;
      for (size_t i = 1; i < offsets.size(); ++i)
        if (at[offsets[i]] > at[offsets[first]]) first = i;
      d_below[window + c + offsets[first]] = d_src[c];
    }
  }
}

}  // namespace onespike::cpu
