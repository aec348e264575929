#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/code/valued_events.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>

#include "cpu/code/valued_events.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

template <int kWidth>
HWY_NOINLINE void row_of_width(const ValuedRow& task, const ValuedEvents& events, const ValuedGeometry& g) {
  constexpr int kVectors = kWidth / kFloats;
  const int top = task.y * g.stride - g.pad;
  const int first_ky = std::max(0, -top), end_ky = std::min(g.kernel_h, g.in_h - top);
  for (int x = 0; x < g.out_w; ++x) {
    const int left = x * g.stride - g.pad;
    const int begin = std::max(0, left), end = std::min(g.in_w, left + g.kernel_w);
    Block<kVectors> sum;
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum.at[v] = task.bias ? hn::Load(d, task.bias + v * kFloats) : hn::Zero(d);
    for (int ky = first_ky; ky < end_ky && begin < end; ++ky) {
      const int64_t row = task.first_row + top + ky;
      const uint32_t* starts = events.starts(row, g);
      const int64_t shift = (int64_t(ky) * g.kernel_w - left) * g.cs;
      add_rows<kWidth, true>(sum, task.weight, events.ids(row, g), events.values(row, g), starts[begin], starts[end],
                             shift);
    }
    float* to = task.out + int64_t(x) * g.out_cs;
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) hn::Store(sum.at[v], d, to + v * kFloats);
  }
}

void ValuedRowOf(const ValuedRow& task, const ValuedEvents& events, const ValuedGeometry& g) {
  with_width(task.width, [&](auto width) { row_of_width<width>(task, events, g); });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(ValuedRowOf);
void valued_row(const ValuedRow& task, const ValuedEvents& events, const ValuedGeometry& g) {
  HWY_DYNAMIC_DISPATCH(ValuedRowOf)(task, events, g);
}

void ValuedEvents::reserve(int64_t rows, const ValuedGeometry& g) {
  ids_.reserve(size_t(rows * g.row()));
  values_.reserve(size_t(rows * g.row()));
  starts_.reserve(size_t(rows * (g.in_w + 1)));
}

int64_t ValuedEvents::fill(int64_t i, const float* numbers, const ValuedGeometry& g) {
  uint32_t* ids = ids_.data() + i * g.row();
  float* values = values_.data() + i * g.row();
  uint32_t* starts = starts_.data() + i * (g.in_w + 1);
  uint32_t count = 0;
  for (int x = 0; x < g.in_w; ++x) {
    starts[x] = count;
    // Written whatever it is, and kept if it is an event: no branch to guess.
    for (uint32_t k = uint32_t(x) * uint32_t(g.cs); k < uint32_t(x + 1) * uint32_t(g.cs); ++k) {
      ids[count] = k, values[count] = numbers[k];
      count += numbers[k] != 0;
    }
  }
  starts[g.in_w] = count;
  return count;
}
}  // namespace onespike::cpu
#endif
