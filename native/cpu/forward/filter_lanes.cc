// The refinement of the filter (cpu/forward/spike_filter.h): a few neurons of one pixel, from 24 bits of every weight.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/forward/filter_lanes.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/forward/filter-inl.h"
#include "cpu/forward/spike_filter.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// The integers of vector `lane / kFloats` of a row.
template <bool kInterleaved>
HWY_INLINE hn::Vec<DI> integers_at(const int16_t* HWY_RESTRICT row, int lane) {
#if ONESPIKE_PAIRED
  if constexpr (kInterleaved) {
    const hn::Repartition<uint64_t, DI> d64;
    const auto both = hn::BitCast(d64, hn::Load(dp, row + lane / (2 * kFloats) * (2 * kFloats)));
    const auto own = lane / kFloats % 2 ? hn::ConcatOdd(d64, both, both) : hn::ConcatEven(d64, both, both);
    return hn::PromoteTo(di, hn::LowerHalf(hn::BitCast(dp, own)));
  }
#endif
  return hn::PromoteTo(di, hn::Load(d16, row + lane));
}

template <bool kCounted, bool kInterleaved>
HWY_INLINE bool decided(const FilterTask& task, Tile tile, int lane, int64_t image, int y, int x) {
  constexpr int kCount = kLane / kFloats;
  const hn::Rebind<int8_t, D> d8;
  const ForwardTask& exact = *task.exact;
  const StageShape& s = *exact.shape;
  const int64_t list = image * s.out_h + y;
  const uint32_t* HWY_RESTRICT ids = exact.events->ids(list);
  const StepRange steps = steps_with_input(exact, list);
  const Window wx = exact.window_x[x];
  const uint32_t* starts =
      exact.events->starts(list) + int64_t(steps.first - 1) * exact.events->step_cells() + wx.begin;
  const int64_t first =
      int64_t(tile.begin) * s.taps() * s.src_cs + (int64_t(wx.tap) - wx.begin) * s.src_cs * tile.width;
  FilterNeurons<kCount, true> neurons(task, tile.begin + lane);
  const V low_unit = hn::Set(d, kLowUnit);
  for (int t = steps.first; t <= steps.last; ++t, starts += exact.events->step_cells()) {
    hn::Vec<DI> high[kCount], low[kCount];
    for (int v = 0; v < kCount; ++v) high[v] = low[v] = hn::Zero(di);
    uint32_t events = 0;
    for (uint32_t i = starts[0]; i < starts[wx.count]; ++i) {
      const uint32_t more = kCounted ? ids[i] / kCountUnit : 0, id = kCounted ? ids[i] & (kCountUnit - 1) : ids[i];
      const int64_t row = first + int64_t(id) * tile.width;
      const auto count = hn::Set(di, int32_t(more + 1));
      events += more + 1;
      for (int v = 0; v < kCount; ++v) {
        const auto h = integers_at<kInterleaved>(task.weight + row, lane + v * kFloats);
        const auto l = hn::PromoteTo(di, hn::LoadU(d8, task.low + row + lane + v * kFloats));
        high[v] = hn::Add(high[v], kCounted ? hn::Mul(h, count) : h);
        low[v] = hn::Add(low[v], kCounted ? hn::Mul(l, count) : l);
      }
    }
    neurons.step([&](int v)
                     HWY_ATTR { return hn::MulAdd(low_unit, hn::ConvertTo(d, low[v]), hn::ConvertTo(d, high[v])); },
                 events, task.share_low, t);
  }
  const int64_t cell = (list * s.out_w + x) * s.out_cs + tile.begin + lane;
  for (int v = 0; v < kCount; ++v)
    if (!hn::AllFalse(d, hn::Lt(neurons.fired.at[v], hn::Zero(d)))) return false;
  for (int v = 0; v < kCount; ++v) store_bytes(neurons.fired.at[v], exact.times + cell + v * kFloats);
  return true;
}

bool FilterLanes(const FilterTask& task, Tile tile, int lane, int64_t image, int y, int x) {
  if (task.exact->events->kind() != EventKind::kCounted) return decided<false, false>(task, tile, lane, image, y, x);
  return interleaved(tile.width) ? decided<true, true>(task, tile, lane, image, y, x)
                                 : decided<true, false>(task, tile, lane, image, y, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(FilterLanes);
bool filter_lanes(const FilterTask& task, Tile tile, int lane, int64_t image, int y, int x) {
  return HWY_DYNAMIC_DISPATCH(FilterLanes)(task, tile, lane, image, y, x);
}
}  // namespace onespike::cpu
#endif
