// The kernels of the filter (cpu/forward/spike_filter.h).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/forward/filter_row.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/forward/filter-inl.h"
#include "cpu/forward/spike_filter.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

constexpr float kLargest = 32767;

// Integers of one tile or two as they are summed.
template <int kCount>
struct Sums {
  hn::Vec<DI> at[kCount];
};

// One event at a time, for any number of channels.
template <int kWidth, int kTiles, bool kCounted>
HWY_INLINE uint32_t add_events(Sums<kTiles * kWidth / kFloats>& sum, const int16_t* HWY_RESTRICT weight,
                               int64_t tile_size, const uint32_t* HWY_RESTRICT ids, uint32_t from, uint32_t to) {
  constexpr int kPerTile = kWidth / kFloats, kCount = kTiles * kPerTile;
  uint32_t events = to - from;
  for (uint32_t i = from; i < to; ++i) {
    const uint32_t more = kCounted ? ids[i] / kCountUnit : 0, id = kCounted ? ids[i] & (kCountUnit - 1) : ids[i];
    const int16_t* HWY_RESTRICT row = weight + int64_t(id) * kWidth;
    events += more;
    [[maybe_unused]] const auto count = hn::Set(di, int32_t(more + 1));
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) {
      const auto w = hn::PromoteTo(di, hn::Load(d16, row + v / kPerTile * tile_size + v % kPerTile * kFloats));
      if constexpr (kCounted) sum.at[v] = hn::Add(sum.at[v], hn::Mul(w, count));
      else sum.at[v] = hn::Add(sum.at[v], w);
    }
  }
  return events;
}

#if ONESPIKE_PAIRED
// Two counted events at a time: the interleaved rows times a pair of counts, two products per lane and instruction. Of
// every two vectors of channels the integers lie as the interleaving wants them (FilterIntegers).
template <int kWidth, int kTiles>
HWY_INLINE uint32_t add_pairs(Sums<kTiles * kWidth / kFloats>& sum, const int16_t* HWY_RESTRICT weight,
                              int64_t tile_size, const uint32_t* HWY_RESTRICT ids, uint32_t from, uint32_t to) {
  constexpr int kPerTile = kWidth / kFloats, kCount = kTiles * kPerTile;
  uint32_t events = 0;
  for (uint32_t i = from; i < to; i += 2) {
    // The last one of an odd number goes with itself, no times.
    const uint32_t one = ids[i], two = ids[i + 1 < to ? i + 1 : i], twice = i + 1 < to;
    const uint32_t first = one / kCountUnit + 1, second = twice * (two / kCountUnit + 1);
    const int16_t* HWY_RESTRICT a = weight + int64_t(one & (kCountUnit - 1)) * kWidth;
    const int16_t* HWY_RESTRICT b = weight + int64_t(two & (kCountUnit - 1)) * kWidth;
    events += first + second;
    const auto counts = hn::BitCast(dp, hn::Set(di, int32_t(first | second << 16)));
#pragma GCC unroll 16
    for (int v = 0; v < kCount; v += 2) {
      const int64_t at = v / kPerTile * tile_size + v % kPerTile * kFloats;
      const auto wa = hn::Load(dp, a + at), wb = hn::Load(dp, b + at);
      hn::Vec<DI> unused = hn::Zero(di);
      sum.at[v] = hn::ReorderWidenMulAccumulate(di, hn::InterleaveLower(dp, wa, wb), counts, sum.at[v], unused);
      sum.at[v + 1] = hn::ReorderWidenMulAccumulate(di, hn::InterleaveUpper(dp, wa, wb), counts, sum.at[v + 1], unused);
    }
  }
  return events;
}
#endif

template <int kWidth, int kTiles, bool kCounted>
HWY_NOINLINE int filter_pixels(const FilterTask& task, int channel, int64_t image, int y, Doubt* doubts) {
  constexpr int kPerTile = kWidth / kFloats, kCount = kTiles * kPerTile, kPerGroup = kLane / kFloats;
  const ForwardTask& exact = *task.exact;
  const StageShape& s = *exact.shape;
  const int64_t list = image * s.out_h + y, tile_size = int64_t(s.taps()) * s.src_cs * kWidth;
  const uint32_t* HWY_RESTRICT ids = exact.events->ids(list);
  const StepRange steps = steps_with_input(exact, list);
  int found = 0;
  for (int x = 0; x < s.out_w; ++x) {
    const Window wx = exact.window_x[x];
    const uint32_t* starts =
        exact.events->starts(list) + int64_t(steps.first - 1) * exact.events->step_cells() + wx.begin;
    const int16_t* weight =
        task.weight + int64_t(channel) * s.taps() * s.src_cs + (int64_t(wx.tap) - wx.begin) * s.src_cs * kWidth;
    FilterNeurons<kCount, false> neurons(task, channel);
    for (int t = steps.first; t <= steps.last; ++t, starts += exact.events->step_cells()) {
      Sums<kCount> sum;
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) sum.at[v] = hn::Zero(di);
      uint32_t events;
#if ONESPIKE_PAIRED
      if constexpr (kCounted && interleaved(kWidth))
        events = add_pairs<kWidth, kTiles>(sum, weight, tile_size, ids, starts[0], starts[wx.count]);
      else
#endif
        events = add_events<kWidth, kTiles, kCounted>(sum, weight, tile_size, ids, starts[0], starts[wx.count]);
      neurons.step([&](int v) HWY_ATTR { return hn::ConvertTo(d, sum.at[v]); }, events, task.share, t);
    }
    const Block<kCount>& fired = neurons.fired;
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
    if (task.exact->events->kind() == EventKind::kCounted)
      found = filter_pixels<width.value, tiles.value, true>(task, tile.begin, image, y, doubts);
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

void FilterIntegers(int16_t* HWY_RESTRICT to, int8_t* HWY_RESTRICT low, const float* HWY_RESTRICT weight,
                    const float* HWY_RESTRICT unit, int64_t rows, int width, bool paired) {
  const hn::Rebind<int8_t, D> d8;
  const auto integers = [&](int64_t row, int lane) HWY_ATTR {
    // 0 / 0 in a channel of zeros: its comparison fails.
    const V share = hn::Div(hn::Load(d, weight + row * width + lane), hn::Load(d, unit + lane));
    const V number = hn::IfThenElseZero(hn::Ge(share, hn::Set(d, -kLargest - 1)), share);
    const auto integer = hn::NearestInt(number);
    // What is left over is exact, and at most a half.
    const V rest = hn::Mul(hn::Sub(number, hn::ConvertTo(d, integer)), hn::Set(d, 1 / kLowUnit));
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(rest)), d8, low + row * width + lane);
    return hn::DemoteTo(d16, integer);
  };
  for (int64_t row = 0; row < rows; ++row)
    for (int lane = 0; lane < width; lane += kFloats) {
      if (paired && interleaved(width)) {
        // Blocks of eight whose lower halves are the first vector of channels, and the upper halves the second.
        HWY_ALIGN int16_t both[2 * kFloats];
        hn::Store(integers(row, lane), d16, both);
        hn::Store(integers(row, lane + kFloats), d16, both + kFloats);
        for (int i = 0; i < 2 * kFloats; ++i)
          to[row * width + lane + i] = both[i / 4 % 2 * kFloats + i / 8 * 4 + i % 4];
        lane += kFloats;
        continue;
      }
      hn::Store(integers(row, lane), d16, to + row * width + lane);
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
void filter_units(float* unit, const float* weight, int64_t rows, int width) {
  HWY_DYNAMIC_DISPATCH(FilterUnits)(unit, weight, rows, width);
}
void filter_integers(int16_t* to, int8_t* low, const float* weight, const float* unit, int64_t rows, int width,
                     bool paired) {
  HWY_DYNAMIC_DISPATCH(FilterIntegers)(to, low, weight, unit, rows, width, paired);
}
}  // namespace onespike::cpu
#endif
