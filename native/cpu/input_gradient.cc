// Input gradient of one row of a stage's source and one tile of its channels (SPEC section 5, identity 2): Wt a(t)
// through the gradient events, the leak carried in registers, then the surrogate of the neurons below. Where a pool lies
// between, every child of a pooled cell receives the same share.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/input_gradient.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

constexpr int kVectors = kGradientTile / kFloats;
constexpr int kChains = kVectors < 4 ? 4 / kVectors : 1;
constexpr int kStretchCells = 160;  // (column, step) pairs of one stretch: 10 KiB beside the weights in the L1 cache

// Turns U(1..T) of `kFloats` neurons into a(1..T). `spikes` is dL/d(spike) as seen by the pool, steps `kLane` apart.
template <Surrogate kind>
HWY_INLINE void neuron_backward(const InputGradientTask& task, const float* HWY_RESTRICT spikes, int64_t stride, V share, V fire_time,
                                float* HWY_RESTRICT potential, Sum& total_threshold, Sum& total_leak) {
  const int T = task.neuron.timesteps;
  const int64_t step = task.below->out_size();
  const V threshold = hn::Set(d, task.neuron.threshold), leak = hn::Set(d, task.neuron.leak), one = hn::Set(d, 1.0f);
  V g = hn::Zero(d), d_threshold = hn::Zero(d), d_leak = hn::Zero(d);
  V u = hn::Load(d, potential + (T - 1) * step);
  for (int t = T; t >= 1; --t) {
    const V before = t > 1 ? hn::Load(d, potential + (t - 2) * step) : hn::Zero(d);
    const V ratio = hn::Div(u, threshold);
    V slope;
    if constexpr (kind == Surrogate::kExponential) {
      HWY_ALIGN float distance[kLane];
      hn::Store(hn::Max(hn::Sub(fire_time, hn::Set(d, float(t))), hn::Zero(d)), d, distance);
      for (int i = 0; i < kFloats; ++i) distance[i] = task.exponential[int(distance[i])];
      slope = hn::Load(d, distance);
    } else {
      slope = HWY_NAMESPACE::surrogate_slope<kind, VectorMath>(hn::Sub(ratio, one), task.neuron.surrogate);
    }
    const V d_spike = hn::Mul(hn::Load(d, spikes + (t - 1) * stride), share);
    // Past the spike U(t) was not computed: a select, never a product, keeps what lies there out.
    const auto live = hn::Ge(fire_time, hn::Set(d, float(t)));
    const V a = hn::IfThenElseZero(live, hn::Div(hn::Mul(d_spike, slope), threshold));
    d_threshold = hn::Sub(d_threshold, hn::IfThenElseZero(live, hn::Mul(a, ratio)));
    g = hn::MulAdd(leak, g, a);
    d_leak = hn::Add(d_leak, hn::IfThenElseZero(live, hn::Mul(g, before)));
    hn::Store(a, d, potential + (t - 1) * step);
    u = before;
  }
  total_threshold.add(d_threshold);
  total_leak.add(d_leak);
}

// Four floats repeated in every 128-bit block, where Broadcast<lane> finds them.
HWY_INLINE V load_four(const float* HWY_RESTRICT from) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, *from);
#else
  return hn::LoadDup128(d, from);
#endif
}

// sum[lane] += value * row over the events [from, to), with kChains independent sums so that additions overlap. The
// values of kChains events come from one load: a broadcast from memory for each would cost as many loads as the rows.
HWY_INLINE void add_gradient_rows(Block<kVectors>& total, const float* HWY_RESTRICT rows, const uint32_t* HWY_RESTRICT ids,
                                  const float* HWY_RESTRICT values, uint32_t from, uint32_t to) {
  Block<kVectors> sum[kChains];
#pragma GCC unroll 4
  for (int k = 0; k < kChains; ++k) sum[k].fill(hn::Zero(d));
  const auto add = [&](Block<kVectors>& into, V value, uint32_t i) HWY_ATTR {
    const float* HWY_RESTRICT row = rows + int64_t(ids[i]) * kGradientTile;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) into.at[v] = hn::MulAdd(value, hn::Load(d, row + v * kFloats), into.at[v]);
  };
  uint32_t i = from;
  for (; i + kChains <= to; i += kChains) {
    const V four = load_four(values + i);
    // Spelt out: a lane number is part of the instruction.
    add(sum[0], hn::Broadcast<0>(four), i);
    if constexpr (kChains > 1) add(sum[1 % kChains], hn::Broadcast<1 % kFloats>(four), i + 1);
    if constexpr (kChains > 2) {
      add(sum[2 % kChains], hn::Broadcast<2 % kFloats>(four), i + 2);
      add(sum[3 % kChains], hn::Broadcast<3 % kFloats>(four), i + 3);
    }
  }
  for (; i < to; ++i) add(sum[0], hn::Set(d, values[i]), i);
#pragma GCC unroll 4
  for (int k = 0; k < kChains; ++k)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) total.at[v] = hn::Add(total.at[v], sum[k].at[v]);
}

// The potentials that column x will need lie T planes apart, a line each: the processor does not see them coming, and
// waiting for them was a fifth of this kernel.
HWY_INLINE void prefetch_potentials(const InputGradientTask& task, int channel, int64_t image, int y, int x) {
  const StageShape& below = *task.below;
  const int pool = task.shape->pool, T = task.neuron.timesteps;
  for (int i = 0; i < pool; ++i)
    for (int j = 0; j < pool; ++j) {
      const float* at = task.potential + image * T * below.out_size() + below.out_cell(y * pool + i, x * pool + j) + channel;
      for (int t = 0; t < T; ++t) hwy::Prefetch(at + t * below.out_size());
    }
}

template <Surrogate kind>
HWY_NOINLINE void gradient_row(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d_out) {
  const EventWalk& walk = *task.walk;
  const StageShape &s = *task.shape, &below = *task.below;
  const float* weight = walk.weight + int64_t(channel) * walk.taps * walk.source_cs;
  const Window wy = walk.window_y[y];
  const int T = walk.timesteps;
  const V leak = hn::Set(d, task.leak), scale = hn::Set(d, task.scale), never = hn::Set(d, float(T + 1));
  Sum d_threshold, d_leak;
  // dL/d(spike) of a stretch of the row: (column, step, lane).
  HWY_ALIGN float spikes[(kStretchCells + kMaxTimesteps) * kGradientTile];
  const int stretch = std::max(1, kStretchCells / T);

  for (int first = 0; first < s.in_w; first += stretch) {
    const int last = std::min(first + stretch, s.in_w);
    std::memset(spikes, 0, size_t(last - first) * T * kGradientTile * sizeof(float));
    // One row of taps at a time: its weights for this tile are 24 KiB at 128 channels and stay in the L1 cache.
    for (int r = 0; r < wy.count; ++r) {
      const int64_t row = image * walk.source_rows + wy.begin + r;
      const uint32_t* ids = walk.rows->row_ids(row);
      const float* values = walk.rows->row_values(row);
      for (int x = first; x < last; ++x) {
        const Window wx = walk.window_x[x];
        if (r == 0) prefetch_potentials(task, channel, image, y, x);
        const float* rows = weight + ((int64_t(wy.tap + r) * walk.taps_x + wx.tap - wx.begin) * walk.source_cs) * kGradientTile;
        for (int t = T; t >= 1; --t) {
          const uint32_t* starts = walk.rows->row_starts(row) + int64_t(T - t) * walk.columns + wx.begin;
          if (starts[0] == starts[wx.count]) continue;
          float* to = spikes + (int64_t(x - first) * T + t - 1) * kGradientTile;
          Block<kVectors> total;
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) total.at[v] = hn::Load(d, to + v * kFloats);
          add_gradient_rows(total, rows, ids, values, starts[0], starts[wx.count]);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) hn::Store(total.at[v], d, to + v * kFloats);
        }
      }
    }
    for (int x = first; x < last; ++x) {
      float* column = spikes + int64_t(x - first) * T * kGradientTile;
      for (int v = 0; v < kVectors; ++v) {
        V sum = hn::Zero(d);
        for (int t = T; t >= 1; --t) {
          float* at = column + (t - 1) * kGradientTile + v * kFloats;
          sum = hn::MulAdd(leak, sum, hn::Load(d, at));
          hn::Store(sum, d, at);
        }
      }
      for (int i = 0; i < s.pool; ++i)
        for (int j = 0; j < s.pool; ++j) {
          const int cy = y * s.pool + i, cx = x * s.pool + j;
          const int64_t neuron = ((image * below.out_h + cy) * below.out_w + cx) * below.out_cs + channel;
          float* potential = task.potential + image * T * below.out_size() + below.out_cell(cy, cx) + channel;
          for (int v = 0; v < kVectors; ++v) {
            const V time = load_bytes(task.times + neuron + v * kFloats);
            const V fire_time = hn::IfThenElse(hn::Eq(time, hn::Zero(d)), never, time);
            const V share = task.mask ? hn::Mul(scale, load_bytes(task.mask + neuron + v * kFloats)) : scale;
            neuron_backward<kind>(task, column + v * kFloats, kGradientTile, share, fire_time, potential + v * kFloats, d_threshold, d_leak);
          }
        }
    }
  }
  d_out->threshold += d_threshold.total();
  d_out->leak += d_leak.total();
}

void InputGradientRow(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d_out) {
  switch (task.neuron.surrogate.kind) {
    case Surrogate::kTriangle: return gradient_row<Surrogate::kTriangle>(task, channel, image, y, d_out);
    case Surrogate::kExponential: return gradient_row<Surrogate::kExponential>(task, channel, image, y, d_out);
    case Surrogate::kRectangular: return gradient_row<Surrogate::kRectangular>(task, channel, image, y, d_out);
    case Surrogate::kArctan: return gradient_row<Surrogate::kArctan>(task, channel, image, y, d_out);
    case Surrogate::kFastSigmoid: return gradient_row<Surrogate::kFastSigmoid>(task, channel, image, y, d_out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(InputGradientRow);
void input_gradient_row(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(InputGradientRow)(task, channel, image, y, d);
}
}  // namespace onespike::cpu
#endif
