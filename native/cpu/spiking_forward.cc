// LIF forward over all T steps of one output row and one tile of channels (SPEC section 3, identity 1 of section 5).
// The potentials of a pixel stay in registers from step 1 to T; weight rows of the events are added to them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/spiking_forward.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

template <int kWidth, bool kValued>
HWY_NOINLINE void forward_row(const ForwardTask& task, int channel, int64_t image, int y) {
  constexpr int kCount = kWidth / kFloats;
  const EventWalk& walk = *task.walk;
  const StageShape& s = *task.shape;
  const float* weight = walk.weight + int64_t(channel) * walk.taps * walk.source_cs;
  const Window wy = walk.window_y[y];
  const V leak = hn::Set(d, task.neuron.leak), threshold = hn::Set(d, task.neuron.threshold), scale = hn::Set(d, task.scale);

  for (int x = 0; x < s.out_w; ++x) {
    const Window wx = walk.window_x[x];
    const int64_t cell = (image * s.out_h + y) * s.out_w + x;
    Block<kCount> u, fired;
    u.fill(hn::Zero(d));
    fired.fill(hn::Zero(d));
    for (int t = 1; t <= walk.timesteps; ++t) {
      Block<kCount> sum;
      sum.fill(hn::Zero(d));
      for (int r = 0; r < wy.count; ++r) {
        const int64_t row = image * walk.source_rows + wy.begin + r;
        const uint32_t* starts = walk.rows->row_starts(row) + int64_t(t - 1) * walk.columns + wx.begin;
        const int64_t shift = (int64_t(wy.tap + r) * walk.taps_x + wx.tap - wx.begin) * walk.source_cs;
        add_rows<kWidth, kValued>(sum, weight, walk.rows->row_ids(row), walk.rows->row_values(row), starts[0], starts[wx.count], shift);
      }
      const bool analog = task.current && (t == 1 || task.current_always);
      auto any_silent = hn::Lt(hn::Zero(d), hn::Zero(d));
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) {
        const int64_t lane = channel + v * kFloats;
        V potential = hn::MulAdd(scale, sum.at[v], hn::Mul(leak, u.at[v]));
        if (task.bias) potential = hn::Add(potential, hn::Load(d, task.bias + lane));
        if (analog) potential = hn::Add(potential, hn::Load(d, task.current + cell * s.out_cs + lane));
        u.at[v] = potential;
        const auto silent = hn::Eq(fired.at[v], hn::Zero(d));
        fired.at[v] = hn::IfThenElse(hn::And(silent, hn::Gt(potential, threshold)), hn::Set(d, float(t)), fired.at[v]);
        any_silent = hn::Or(any_silent, hn::Eq(fired.at[v], hn::Zero(d)));
        if (task.potential)
          hn::Store(potential, d, task.potential + (image * walk.timesteps + t - 1) * s.out_size() + s.out_cell(y, x) + lane);
      }
      // After its spike a neuron's potential is of no use to anyone, not even to the gradient.
      if (hn::AllFalse(d, any_silent)) break;
    }
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) store_bytes(fired.at[v], task.times + cell * s.out_cs + channel + v * kFloats);
  }
}

void SpikingForwardRow(const ForwardTask& task, Tile tile, int64_t image, int y) {
  with_width(tile.width, [&](auto width) {
    if (task.walk->rows->valued) forward_row<width.value, true>(task, tile.begin, image, y);
    else forward_row<width.value, false>(task, tile.begin, image, y);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(SpikingForwardRow);
void spiking_forward_row(const ForwardTask& task, Tile tile, int64_t image, int y) {
  HWY_DYNAMIC_DISPATCH(SpikingForwardRow)(task, tile, image, y);
}
}  // namespace onespike::cpu
#endif
