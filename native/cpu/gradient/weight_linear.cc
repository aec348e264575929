// Weight gradient of a linear layer from events (docs/MATHEMATICS.md, "The weight gradient"): every weight row adds the
// gradient rows of its events, over all images of a block at once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/weight_linear.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/gradient/weight_linear.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

template <int kWidth, bool kValued>
HWY_NOINLINE void weight_rows(const LinearWeightTask& task) {
  constexpr int kCount = kWidth / kFloats;
  const uint32_t* starts = task.events->starts.data();
  const V scale = hn::Set(d, task.scale);
  for (int64_t row = task.begin; row < task.end; ++row) {
    if (starts[row] == starts[row + 1]) continue;
    Block<kCount> sum;
    sum.fill(hn::Zero(d));
    add_rows<kWidth, kValued>(sum, task.gradient, task.events->gradient_rows.data(), task.events->values.data(),
                              starts[row], starts[row + 1], 0);
    float* HWY_RESTRICT out = task.d_weight + row * kWidth;
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v)
      hn::Store(hn::MulAdd(scale, sum.at[v], hn::Load(d, out + v * kFloats)), d, out + v * kFloats);
  }
}

void LinearWeightRows(const LinearWeightTask& task, int width) {
  with_width(width, [&](auto constant) {
    if (task.events->valued) weight_rows<constant.value, true>(task);
    else weight_rows<constant.value, false>(task);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(LinearWeightRows);
void linear_weight_rows(const LinearWeightTask& task, int width) {
  HWY_DYNAMIC_DISPATCH(LinearWeightRows)(task, width);
}
}  // namespace onespike::cpu
#endif
