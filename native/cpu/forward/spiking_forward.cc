// LIF forward over all T steps of one output row and one tile of channels (docs/MATHEMATICS.md, "The neuron" and
// "Spike-time maps"). The potentials of a pixel stay in registers from step 1 to T; weight rows of the events are added
// to them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/forward/spiking_forward.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/forward/spiking_forward.h"
#include "cpu/forward/lif-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

constexpr float kCounts[4] = {1, 2, 3, 4};  // of children that share an event

// One pixel: `kPerTile` vectors from `channel` on of `kTiles` tiles of kWidth channels.
template <int kWidth, int kPerTile, int kTiles, EventKind kKind>
HWY_INLINE void forward_pixel(const ForwardTask& task, const StepRange& steps, int channel, int lane, int64_t image,
                              int y, int x) {
  constexpr int kCount = kTiles * kPerTile;
  const StageShape& s = *task.shape;
  const int64_t list = image * s.out_h + y, tile_size = int64_t(s.taps()) * s.src_cs * kWidth;
  const uint32_t* HWY_RESTRICT ids = task.events->ids(list);
  const float* HWY_RESTRICT values = task.events->values(list);
  const Window wx = task.window_x[x];
  const uint32_t* starts = task.events->starts(list) + int64_t(steps.first - 1) * task.events->step_cells() + wx.begin;
  const float* weight =
      task.weight + int64_t(channel) * s.taps() * s.src_cs + lane + (int64_t(wx.tap) - wx.begin) * s.src_cs * kWidth;
  LifPixel<kCount> neurons(task, image, y, x, channel + lane);
  for (int t = steps.first; t <= steps.last; ++t, starts += task.events->step_cells()) {
    Block<kCount> sum;
    sum.fill(hn::Zero(d));
    for (uint32_t i = starts[0], end = starts[wx.count]; i < end; ++i) {
      const uint32_t id = kKind == EventKind::kCounted ? ids[i] & (kCountUnit - 1) : ids[i];
      const float* HWY_RESTRICT row = weight + int64_t(id) * kWidth;
      V value = hn::Zero(d);
      if constexpr (kKind == EventKind::kCounted) value = hn::Set(d, kCounts[ids[i] / kCountUnit]);
      if constexpr (kKind == EventKind::kValued) value = hn::Set(d, values[i]);
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) {
        const V w = hn::Load(d, row + v / kPerTile * tile_size + v % kPerTile * kFloats);
        sum.at[v] = kKind == EventKind::kSingle ? hn::Add(sum.at[v], w) : hn::MulAdd(value, w, sum.at[v]);
      }
    }
    neurons.step(sum, t);
  }
  neurons.store();
}

template <int kWidth, int kTiles, EventKind kKind>
HWY_NOINLINE void forward_row(const ForwardTask& task, int channel, int64_t image, int y) {
  const StepRange steps = steps_with_input(task, image * task.shape->out_h + y);
  for (int x = 0; x < task.shape->out_w; ++x)
    forward_pixel<kWidth, kWidth / kFloats, kTiles, kKind>(task, steps, channel, 0, image, y, x);
}

template <class F>
HWY_INLINE void with_kind(EventKind kind, const F& run) {
  switch (kind) {
    case EventKind::kSingle: return run(std::integral_constant<EventKind, EventKind::kSingle>());
    case EventKind::kCounted: return run(std::integral_constant<EventKind, EventKind::kCounted>());
    case EventKind::kValued: return run(std::integral_constant<EventKind, EventKind::kValued>());
  }
}

void SpikingForwardRow(const ForwardTask& task, Tile tile, int64_t image, int y) {
  with_kind(task.events->kind(), [&](auto kind) {
    if (tile.width == 2 * kMaxTile) forward_row<kMaxTile, 2, kind.value>(task, tile.begin, image, y);
    else
      with_width(tile.width, [&](auto width) { forward_row<width.value, 1, kind.value>(task, tile.begin, image, y); });
  });
}

void SpikingForwardLanes(const ForwardTask& task, Tile tile, int lane, int64_t image, int y, int x) {
  const StepRange steps = steps_with_input(task, image * task.shape->out_h + y);
  with_kind(task.events->kind(), [&](auto kind) {
    with_width(tile.width, [&](auto width) {
      forward_pixel<width.value, kLane / kFloats, 1, kind.value>(task, steps, tile.begin, lane, image, y, x);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(SpikingForwardRow);
HWY_EXPORT(SpikingForwardLanes);
void spiking_forward_row(const ForwardTask& task, Tile tile, int64_t image, int y) {
  HWY_DYNAMIC_DISPATCH(SpikingForwardRow)(task, tile, image, y);
}
void spiking_forward_lanes(const ForwardTask& task, Tile tile, int lane, int64_t image, int y, int x) {
  HWY_DYNAMIC_DISPATCH(SpikingForwardLanes)(task, tile, lane, image, y, x);
}
}  // namespace onespike::cpu
#endif
