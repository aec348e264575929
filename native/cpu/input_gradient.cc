// Input gradient of one row of a stage's source and one tile of its channels (SPEC section 5, identity 2): Wt a(t)
// through the gradient events, the leak carried in registers, then the surrogate of the neurons below. Where a pool lies
// between, every child of a pooled cell receives the same share.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/input_gradient.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Turns U(1..T) of `kFloats` neurons into a(1..T). `spikes` is dL/d(spike) as seen by the pool, steps `kLane` apart.
template <Surrogate kind>
HWY_INLINE void neuron_backward(const InputGradientTask& task, const float* HWY_RESTRICT spikes, int64_t stride, V share, V fire_time,
                                float* HWY_RESTRICT potential, Sum& total_threshold, Sum& total_leak) {
  const int T = task.neuron.timesteps;
  const int64_t step = task.below->grad_step();
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

template <int kWidth, Surrogate kind>
HWY_NOINLINE void gradient_row(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d_out) {
  constexpr int kCount = kWidth / kFloats;
  const EventWalk& walk = *task.walk;
  const StageShape &s = *task.shape, &below = *task.below;
  const float* weight = walk.weight + int64_t(channel) * walk.taps * walk.source_cs;
  const Window wy = walk.window_y[y];
  const int T = walk.timesteps;
  const V leak = hn::Set(d, task.leak), scale = hn::Set(d, task.scale), never = hn::Set(d, float(T + 1));
  Sum d_threshold, d_leak;
  HWY_ALIGN float spikes[kMaxTimesteps * kWidth];

  for (int x = 0; x < s.in_w; ++x) {
    const Window wx = walk.window_x[x];
    Block<kCount> sum;
    sum.fill(hn::Zero(d));
    for (int t = T; t >= 1; --t) {
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) sum.at[v] = hn::Mul(sum.at[v], leak);
      for (int r = 0; r < wy.count; ++r) {
        const int64_t row = image * walk.source_rows + wy.begin + r;
        const uint32_t* starts = walk.rows->row_starts(row) + int64_t(T - t) * walk.columns + wx.begin;
        const int64_t shift = (int64_t(wy.tap + r) * walk.taps_x + wx.tap - wx.begin) * walk.source_cs;
        add_rows<kWidth, true>(sum, weight, walk.rows->row_ids(row), walk.rows->row_values(row), starts[0], starts[wx.count], shift);
      }
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) hn::Store(sum.at[v], d, spikes + (t - 1) * kWidth + v * kFloats);
    }
    for (int i = 0; i < s.pool; ++i)
      for (int j = 0; j < s.pool; ++j) {
        const int cy = y * s.pool + i, cx = x * s.pool + j;
        const int64_t neuron = ((image * below.out_h + cy) * below.out_w + cx) * below.out_cs + channel;
        float* potential = task.potential + image * T * below.grad_step() + below.grad_cell(cy, cx) + channel;
        for (int v = 0; v < kCount; ++v) {
          const V time = load_bytes(task.times + neuron + v * kFloats);
          const V fire_time = hn::IfThenElse(hn::Eq(time, hn::Zero(d)), never, time);
          const V share = task.mask ? hn::Mul(scale, load_bytes(task.mask + neuron + v * kFloats)) : scale;
          neuron_backward<kind>(task, spikes + v * kFloats, kWidth, share, fire_time, potential + v * kFloats, d_threshold, d_leak);
        }
      }
  }
  d_out->threshold += d_threshold.total();
  d_out->leak += d_leak.total();
}

template <int kWidth>
void gradient_row_kind(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d_out) {
  switch (task.neuron.surrogate.kind) {
    case Surrogate::kTriangle: return gradient_row<kWidth, Surrogate::kTriangle>(task, channel, image, y, d_out);
    case Surrogate::kExponential: return gradient_row<kWidth, Surrogate::kExponential>(task, channel, image, y, d_out);
    case Surrogate::kRectangular: return gradient_row<kWidth, Surrogate::kRectangular>(task, channel, image, y, d_out);
    case Surrogate::kArctan: return gradient_row<kWidth, Surrogate::kArctan>(task, channel, image, y, d_out);
    case Surrogate::kFastSigmoid: return gradient_row<kWidth, Surrogate::kFastSigmoid>(task, channel, image, y, d_out);
  }
}

void InputGradientRow(const InputGradientTask& task, Tile tile, int64_t image, int y, NeuronGradient* d_out) {
  if (tile.width == 64) gradient_row_kind<64>(task, tile.begin, image, y, d_out);
  else if (tile.width == 32) gradient_row_kind<32>(task, tile.begin, image, y, d_out);
  else gradient_row_kind<16>(task, tile.begin, image, y, d_out);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(InputGradientRow);
void input_gradient_row(const InputGradientTask& task, Tile tile, int64_t image, int y, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(InputGradientRow)(task, tile, image, y, d);
}
}  // namespace onespike::cpu
#endif
