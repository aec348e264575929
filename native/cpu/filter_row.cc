// The kernels of the filter (cpu/spike_filter.h).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/filter_row.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <limits>

#include "cpu/spike_filter.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using DI = hn::RebindToSigned<D>;
using D16 = hn::Rebind<int16_t, D>;
constexpr DI di;
constexpr D16 d16;
constexpr float kLargest = 32767;

// sum + w * count, 1 <= count <= 4.
HWY_INLINE hn::Vec<DI> add_counted(hn::Vec<DI> sum, hn::Vec<D16> w, hn::Vec<DI> count) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  // As pairs of 16 bits whose upper halves are zero: the full multiplication takes several times as long on some processors.
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<DI> du;
  const hn::Repartition<int16_t, DI> pairs;
  hn::Vec<DI> unused = hn::Zero(di);
  return hn::ReorderWidenMulAccumulate(di, hn::BitCast(pairs, hn::PromoteTo(du, hn::BitCast(du16, w))), hn::BitCast(pairs, count), sum, unused);
#else
  return hn::Add(sum, hn::Mul(hn::PromoteTo(di, w), count));
#endif
}

template <int kWidth, int kTiles, bool kCounted>
HWY_NOINLINE int filter_pixels(const FilterTask& task, int channel, int64_t image, int y, Doubt* doubts) {
  constexpr int kPerTile = kWidth / kFloats, kCount = kTiles * kPerTile, kPerGroup = kLane / kFloats;
  const ForwardTask& exact = *task.exact;
  const StageShape& s = *exact.shape;
  const int64_t list = image * s.out_h + y, tile_size = int64_t(s.taps()) * s.src_cs * kWidth;
  const uint32_t* HWY_RESTRICT ids = exact.events->ids(list);
  const float* HWY_RESTRICT units = task.unit + channel;
  const float* HWY_RESTRICT slacks = task.slack + channel;
  const V leak = hn::Set(d, exact.neuron.leak), threshold = hn::Set(d, exact.neuron.threshold), doubt = hn::Set(d, -1.0f);
  // As in spiking_forward.cc; a neuron in doubt is of no use here either.
  const V spent = hn::Set(d, -std::numeric_limits<float>::infinity());
  const StepRange steps = steps_with_input(exact, list);
  int found = 0;
  for (int x = 0; x < s.out_w; ++x) {
    const Window wx = exact.window_x[x];
    const uint32_t* starts = exact.events->starts(list) + int64_t(steps.first - 1) * exact.events->step_cells() + wx.begin;
    const int16_t* weight = task.weight + int64_t(channel) * s.taps() * s.src_cs + (int64_t(wx.tap) - wx.begin) * s.src_cs * kWidth;
    Block<kCount> u, fired;
    u.fill(hn::Zero(d));
    fired.fill(hn::Zero(d));
    float weighed = 0;  // E(t) of cpu/spike_filter.h
    for (int t = steps.first; t <= steps.last; ++t, starts += exact.events->step_cells()) {
      hn::Vec<DI> sum[kCount];
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) sum[v] = hn::Zero(di);
      uint32_t events = starts[wx.count] - starts[0];
      for (uint32_t i = starts[0], end = starts[wx.count]; i < end; ++i) {
        const uint32_t more = kCounted ? ids[i] / kCountUnit : 0, id = kCounted ? ids[i] & (kCountUnit - 1) : ids[i];
        const int16_t* HWY_RESTRICT row = weight + int64_t(id) * kWidth;
        events += more;
        [[maybe_unused]] const auto count = hn::Set(di, int32_t(more + 1));
#pragma GCC unroll 16
        for (int v = 0; v < kCount; ++v) {
          const auto w = hn::Load(d16, row + v / kPerTile * tile_size + v % kPerTile * kFloats);
          if constexpr (kCounted) sum[v] = add_counted(sum[v], w, count);
          else sum[v] = hn::Add(sum[v], hn::PromoteTo(di, w));
        }
      }
      weighed = exact.neuron.leak * weighed + float(events);
      const V off = hn::Set(d, weighed * task.share), now = hn::Set(d, float(t));
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) {
        const V unit = hn::Load(d, units + v * kFloats), bound = hn::MulAdd(off, unit, hn::Load(d, slacks + v * kFloats));
        V potential = hn::MulAdd(unit, hn::ConvertTo(d, sum[v]), hn::Mul(leak, u.at[v]));
        if (exact.bias) potential = hn::Add(potential, hn::Load(d, exact.bias + channel + v * kFloats));
        const V above = hn::Sub(potential, threshold);
        const auto ends = hn::Ge(hn::Add(above, bound), hn::Zero(d));
        fired.at[v] = hn::IfThenElse(ends, hn::IfThenElse(hn::Gt(above, bound), now, doubt), fired.at[v]);
        u.at[v] = hn::IfThenElse(ends, spent, potential);
      }
    }
    const int64_t cell = list * s.out_w + x;
    V lowest = fired.at[0];
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) {
      lowest = hn::Min(lowest, fired.at[v]);
      store_bytes(fired.at[v], exact.times + cell * s.out_cs + channel + v * kFloats);
    }
    if (hn::AllFalse(d, hn::Lt(lowest, hn::Zero(d)))) continue;
    for (int v = 0; v < kCount; v += kPerGroup) {
      lowest = fired.at[v];
      for (int i = 1; i < kPerGroup; ++i) lowest = hn::Min(lowest, fired.at[v + i]);
      if (!hn::AllFalse(d, hn::Lt(lowest, hn::Zero(d)))) doubts[found++] = {list, x, channel + v * kFloats};
    }
  }
  return found;
}

int FilterRow(const FilterTask& task, Tile tile, int64_t image, int y, Doubt* doubts) {
  int found = 0;
  const auto run = [&](auto width, auto tiles) {
    if (task.exact->events->kind() == EventKind::kCounted) found = filter_pixels<width.value, tiles.value, true>(task, tile.begin, image, y, doubts);
    else found = filter_pixels<width.value, tiles.value, false>(task, tile.begin, image, y, doubts);
  };
  if (tile.width == 2 * kMaxTile) run(std::integral_constant<int, kMaxTile>(), std::integral_constant<int, 2>());
  else with_width(tile.width, [&](auto width) { run(width, std::integral_constant<int, 1>()); });
  return found;
}

void FilterUnits(float* HWY_RESTRICT unit, const float* HWY_RESTRICT weight, int64_t rows, int width) {
  for (int lane = 0; lane < width; lane += kFloats) {
    V most = hn::Zero(d), sum = hn::Zero(d);
    for (int64_t row = 0; row < rows; ++row) {
      const V w = hn::Abs(hn::Load(d, weight + row * width + lane));
      most = hn::Max(most, w);
      sum = hn::Add(sum, w);
    }
    // A maximum may pass over what is not a number; a sum cannot, and what it makes of infinity it keeps.
    const V zero = hn::Mul(sum, hn::Zero(d));
    hn::Store(hn::Add(hn::Mul(most, hn::Set(d, 1 / kLargest)), zero), d, unit + lane);
  }
}

void FilterIntegers(int16_t* HWY_RESTRICT to, const float* HWY_RESTRICT weight, const float* HWY_RESTRICT unit, int64_t rows, int width) {
  for (int lane = 0; lane < width; lane += kFloats) {
    const V size = hn::Load(d, unit + lane);
    for (int64_t at = lane; at < rows * width; at += width) {
      // 0 / 0 in a channel of zeros: its comparison fails.
      const V share = hn::Div(hn::Load(d, weight + at), size);
      hn::StoreU(hn::DemoteTo(d16, hn::NearestInt(hn::IfThenElseZero(hn::Ge(share, hn::Set(d, -kLargest - 1)), share))), d16, to + at);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(FilterRow);
HWY_EXPORT(FilterUnits);
HWY_EXPORT(FilterIntegers);
int filter_row(const FilterTask& task, Tile tile, int64_t image, int y, Doubt* doubts) {
  return HWY_DYNAMIC_DISPATCH(FilterRow)(task, tile, image, y, doubts);
}
void filter_units(float* unit, const float* weight, int64_t rows, int width) { HWY_DYNAMIC_DISPATCH(FilterUnits)(unit, weight, rows, width); }
void filter_integers(int16_t* to, const float* weight, const float* unit, int64_t rows, int width) {
  HWY_DYNAMIC_DISPATCH(FilterIntegers)(to, weight, unit, rows, width);
}
}  // namespace onespike::cpu
#endif
