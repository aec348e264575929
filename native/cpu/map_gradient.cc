// Input gradient of a convolution for a stretch of its source cells and one tile of their channels (SPEC section 5, identity
// 2): Wt a(t) through the gradient events, the leak, then the surrogate of the neurons below. Where a pool lies between,
// every child of a pooled cell receives the same share.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/map_gradient.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/dense.h"
#include "cpu/kernels.h"
#include "cpu/neuron_backward-inl.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Vectors of channels whose sums over kMaxBlock steps fit the registers beside the weights: 20 of 32, or 10 of 16.
constexpr int kPassVectors = kFloats == 16 ? 4 : 2;

// The events of one source row, tap row and block of steps that one cell meets.
template <class Weight>
struct RangeRuns {
  const uint32_t* words;
  const uint32_t* starts;   // of the cell's first column, range 0 of the block
  int64_t range_stride;     // from one range to the next
  int columns;              // of the window
  const Weight* rows;       // of id 0
};

template <int kSteps, int kVectors>
struct StepSums {
  Block<kVectors> at[kSteps];
};

using D32 = hn::Rebind<uint32_t, D>;
using U = hn::Vec<D32>;
constexpr D32 d32;

// One event at a time, floats.
struct Single {
  using Weight = float;
  static constexpr int kIds = 1;

  template <int kWidth, int kVectors>
  static HWY_INLINE void load(V (&weight)[kVectors], const float* HWY_RESTRICT rows, const uint32_t* HWY_RESTRICT event) {
    const float* HWY_RESTRICT row = rows + int64_t(event[0]) * kWidth;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) weight[v] = hn::Load(d, row + v * kFloats);
  }
  static HWY_INLINE V multiply_add(U a, V weight, V sum) { return hn::MulAdd(hn::BitCast(d, a), weight, sum); }
};

#if HWY_TARGET == HWY_AVX3
// Two events at a time, bf16; the rows of both are interleaved in registers.
struct Pair {
  using Weight = uint16_t;
  static constexpr int kIds = 2;

  template <int kWidth, int kVectors>
  static HWY_INLINE void load(V (&weight)[kVectors], const uint16_t* HWY_RESTRICT rows, const uint32_t* HWY_RESTRICT event) {
    const uint16_t *HWY_RESTRICT first = rows + int64_t(event[0]) * kWidth, *HWY_RESTRICT second = rows + int64_t(event[1]) * kWidth;
    if constexpr (kVectors == 1) {
      const hn::Rebind<uint16_t, D> d16;
      weight[0] = hn::BitCast(d, hn::Or(hn::PromoteTo(d32, hn::Load(d16, first)), hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::Load(d16, second)))));
    } else {
      const hn::Repartition<uint16_t, D> d16;
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v += 2) {
        const auto a = hn::Load(d16, first + v * kFloats), b = hn::Load(d16, second + v * kFloats);
        weight[v] = hn::BitCast(d, hn::InterleaveLower(d16, a, b));
        weight[v + 1] = hn::BitCast(d, hn::InterleaveUpper(d16, a, b));
      }
    }
  }
  // Highway 1.0 has no target with this instruction. Spelt in assembly it needs none: the caller asks map_gradient_takes_pairs().
  static HWY_INLINE V multiply_add(U a, V weight, V sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(weight.raw), "v"(a.raw));
    return sum;
  }
};
#endif

// sum[step] += a(step) * row over the events of range kFirst..kLast, and of all ranges after it.
template <class P, int kFirst, int kLast, int kWidth, int kSteps, int kVectors>
HWY_INLINE void add_ranges(StepSums<kSteps, kVectors>& sum, const RangeRuns<typename P::Weight>& run, const uint32_t* starts) {
  constexpr int kCovered = kLast - kFirst + 1;
  const uint32_t* HWY_RESTRICT end = run.words + starts[run.columns];
  for (const uint32_t* HWY_RESTRICT event = run.words + starts[0]; event != end; event += P::kIds + kCovered) {
    V weight[kVectors];
    P::template load<kWidth>(weight, run.rows, event);
#pragma GCC unroll 5
    for (int t = 0; t < kCovered; ++t) {
      const U a = hn::Set(d32, event[P::kIds + t]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum.at[kFirst + t].at[v] = P::multiply_add(a, weight[v], sum.at[kFirst + t].at[v]);
    }
  }
  if constexpr (kLast + 1 < kSteps) add_ranges<P, kFirst, kLast + 1, kWidth>(sum, run, starts + run.range_stride);
  else if constexpr (kFirst + 1 < kSteps) add_ranges<P, kFirst + 1, kFirst + 1, kWidth>(sum, run, starts + run.range_stride);
}

// spikes (step, channel of the tile) += what the events send.
template <class P, int kWidth, int kSteps>
HWY_NOINLINE void add_window(float* HWY_RESTRICT spikes, const RangeRuns<typename P::Weight>& all) {
  constexpr int kVectors = std::min(kPassVectors, kWidth / kFloats);
  for (int lane = 0; lane < kWidth; lane += kVectors * kFloats) {
    RangeRuns<typename P::Weight> run = all;
    run.rows += lane;
    StepSums<kSteps, kVectors> sum;
#pragma GCC unroll 5
    for (int t = 0; t < kSteps; ++t)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum.at[t].at[v] = hn::Load(d, spikes + t * kWidth + lane + v * kFloats);
    add_ranges<P, 0, 0, kWidth>(sum, run, run.starts);
#pragma GCC unroll 5
    for (int t = 0; t < kSteps; ++t)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) hn::Store(sum.at[t].at[v], d, spikes + t * kWidth + lane + v * kFloats);
  }
}

template <class P, int kWidth>
HWY_INLINE void add_block(int steps, float* HWY_RESTRICT spikes, const RangeRuns<typename P::Weight>& run) {
  static_assert(kMaxBlock == 5);
  switch (steps) {
    case 1: return add_window<P, kWidth, 1>(spikes, run);
    case 2: return add_window<P, kWidth, 2>(spikes, run);
    case 3: return add_window<P, kWidth, 3>(spikes, run);
    case 4: return add_window<P, kWidth, 4>(spikes, run);
    default: return add_window<P, kWidth, 5>(spikes, run);
  }
}

// Source cells in the order (image, row, column).
struct Cell {
  int64_t image;
  int y, x;

  Cell(int64_t index, const StageShape& s) : image(index / (int64_t(s.in_h) * s.in_w)), y(int(index / s.in_w % s.in_h)), x(int(index % s.in_w)) {}
  HWY_INLINE void next(const StageShape& s) {
    if (++x < s.in_w) return;
    x = 0;
    if (++y == s.in_h) y = 0, ++image;
  }
};

template <class P, int kWidth>
HWY_INLINE void add_events(const MapGradientTask& task, int channel, int64_t first, int count, float* HWY_RESTRICT spikes) {
  using Weight = typename P::Weight;
  const GradientEvents& events = *task.events;
  const StageShape& s = *task.shape;
  const StepBlocks& blocks = events.blocks;
  const Weight* weight = static_cast<const Weight*>(task.weight) + int64_t(channel) * s.taps() * s.out_cs;
  std::memset(spikes, 0, size_t(count) * blocks.timesteps * kWidth * sizeof(float));
  // One row of taps at a time: its weights are 96 KiB at 128 channels and stay in the L2 cache while the stretch passes.
  for (int tap = 0; tap < s.kernel_h; ++tap) {
    Cell cell(first, s);
    for (int i = 0; i < count; ++i, cell.next(s)) {
      const Window wy = task.window_y[cell.y], wx = task.window_x[cell.x];
      if (tap < wy.tap || tap >= wy.tap + wy.count || wx.count == 0) continue;
      const int64_t row = cell.image * s.out_h + wy.begin + tap - wy.tap;
      const Weight* rows = weight + (int64_t(tap) * s.kernel_w + wx.tap - wx.begin) * s.out_cs * kWidth;
      for (int block = 0; block < blocks.count; ++block) {
        const RangeRuns<Weight> run{events.row_words(row), events.row_starts(row) + int64_t(blocks.ranges_before(block)) * events.columns + wx.begin,
                                    events.columns, wx.count, rows};
        add_block<P, kWidth>(blocks.steps(block), spikes + (int64_t(i) * blocks.timesteps + blocks.begin(block)) * kWidth, run);
      }
    }
  }
}

// The potentials of a cell lie T planes apart: the processor does not see them coming, and waiting for them was a fifth of
// this kernel.
HWY_INLINE void prefetch_potentials(const InputGradientTask& task, int channel, int width, const Cell& cell) {
  const StageShape& below = *task.below;
  const int pool = task.shape->pool, T = task.neuron.timesteps;
  for (int i = 0; i < pool; ++i)
    for (int j = 0; j < pool; ++j) {
      const float* at = task.potential + cell.image * T * below.out_size() + below.out_cell(cell.y * pool + i, cell.x * pool + j) + channel;
      for (int t = 0; t < T; ++t, at += below.out_size())
        for (int lane = 0; lane < width; lane += kLane) hwy::Prefetch(at + lane);
    }
}

template <Surrogate kind>
HWY_NOINLINE void neurons_backward(const InputGradientTask& task, int channel, int width, int64_t first, int count, float* HWY_RESTRICT spikes,
                                   NeuronGradient* d_out) {
  const StageShape &s = *task.shape, &below = *task.below;
  const int T = task.neuron.timesteps;
  const V leak = hn::Set(d, task.leak), scale = hn::Set(d, task.scale), never = hn::Set(d, float(T + 1));
  Sum d_threshold, d_leak;
  Cell cell(first, s), ahead(first, s);
  constexpr int kAhead = 2;
  for (int i = 0; i < kAhead; ++i) ahead.next(s);
  for (int index = 0; index < count; ++index, cell.next(s), ahead.next(s), spikes += T * width) {
    if (index + kAhead < count) prefetch_potentials(task, channel, width, ahead);
    for (int v = 0; v < width; v += kFloats) {
      V sum = hn::Zero(d);
      for (int t = T; t >= 1; --t) {
        float* at = spikes + (t - 1) * width + v;
        sum = hn::MulAdd(leak, sum, hn::Load(d, at));
        hn::Store(sum, d, at);
      }
    }
    for (int i = 0; i < s.pool; ++i)
      for (int j = 0; j < s.pool; ++j) {
        const int y = cell.y * s.pool + i, x = cell.x * s.pool + j;
        const int64_t neuron = ((cell.image * below.out_h + y) * below.out_w + x) * below.out_cs + channel;
        float* potential = task.potential + cell.image * T * below.out_size() + below.out_cell(y, x) + channel;
        for (int v = 0; v < width; v += kFloats) {
          const V time = load_bytes(task.times + neuron + v);
          const V fire_time = hn::IfThenElse(hn::Eq(time, hn::Zero(d)), never, time);
          const V share = task.mask ? hn::Mul(scale, load_bytes(task.mask + neuron + v)) : scale;
          neuron_backward<kind>(task, spikes + v, width, share, fire_time, potential + v, d_threshold, d_leak);
        }
      }
  }
  d_out->threshold += d_threshold.total();
  d_out->leak += d_leak.total();
}

void MapGradientCells(const MapGradientTask& task, Tile tile, int64_t first, int count, NeuronGradient* d_out) {
  HWY_ALIGN float spikes[kMapGradientPairs * kMaxTile];
  with_width(tile.width, [&](auto width) HWY_ATTR {
#if HWY_TARGET == HWY_AVX3
    if (task.events->pairs) return add_events<Pair, width.value>(task, tile.begin, first, count, spikes);
#endif
    add_events<Single, width.value>(task, tile.begin, first, count, spikes);
  });
  const InputGradientTask& n = task.neurons;
  switch (n.neuron.surrogate.kind) {
    case Surrogate::kTriangle: return neurons_backward<Surrogate::kTriangle>(n, tile.begin, tile.width, first, count, spikes, d_out);
    case Surrogate::kExponential: return neurons_backward<Surrogate::kExponential>(n, tile.begin, tile.width, first, count, spikes, d_out);
    case Surrogate::kRectangular: return neurons_backward<Surrogate::kRectangular>(n, tile.begin, tile.width, first, count, spikes, d_out);
    case Surrogate::kArctan: return neurons_backward<Surrogate::kArctan>(n, tile.begin, tile.width, first, count, spikes, d_out);
    case Surrogate::kFastSigmoid: return neurons_backward<Surrogate::kFastSigmoid>(n, tile.begin, tile.width, first, count, spikes, d_out);
  }
}

bool TakesPairs() { return HWY_TARGET == HWY_AVX3 && native_bf16(); }

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(MapGradientCells);
HWY_EXPORT(TakesPairs);
void map_gradient_cells(const MapGradientTask& task, Tile tile, int64_t first, int count, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(MapGradientCells)(task, tile, first, count, d);
}
bool map_gradient_takes_pairs() { return HWY_DYNAMIC_DISPATCH(TakesPairs)(); }

void pack_gradient_halves(uint16_t* to, const float* rows, int64_t count, int width) {
  if (width < 2 * kLane) return to_bf16(to, rows, count);
  // Interleaving two rows takes the lower or upper four of every eight values: these become the channels of the first and of the second vector.
  std::vector<float> ordered(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i += 2 * kLane)
    for (int j = 0; j < 2 * kLane; ++j) ordered[i + j] = rows[i + j / 8 * 4 + (j % 8 < 4 ? j % 8 : kLane + j % 8 - 4)];
  to_bf16(to, ordered.data(), count);
}
}  // namespace onespike::cpu
#endif
