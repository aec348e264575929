// The neurons of ops/lif-inl.h backward over all steps, compiled once per instruction set like vector-inl.h.
#if defined(ONESPIKE_CPU_GRADIENT_NEURON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_GRADIENT_NEURON_INL_H_
#undef ONESPIKE_CPU_GRADIENT_NEURON_INL_H_
#else
#define ONESPIKE_CPU_GRADIENT_NEURON_INL_H_
#endif

#include "cpu/gradient/receiver.h"
#include "cpu/simd/channels-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Gradients of threshold and leak over many neurons.
struct NeuronSums {
  Sum threshold, leak;

  HWY_INLINE void add_to(NeuronGradient* d_out) const {
    d_out->threshold += threshold.total();
    d_out->leak += leak.total();
  }
};

// Spike times as the gradient wants them: T + 1 for a neuron that stayed silent.
HWY_INLINE V load_fire_times(const uint8_t* HWY_RESTRICT times, int timesteps) {
  const V time = load_bytes(times);
  return hn::IfThenElse(hn::Eq(time, hn::Zero(d)), hn::Set(d, float(timesteps + 1)), time);
}

// a(1..T) of one vector of neurons becomes g(1..T); steps are `stride` floats apart.
HWY_INLINE void carry_leak_back(float* HWY_RESTRICT values, int timesteps, int64_t stride, V leak) {
  V g = hn::Zero(d);
  for (int t = timesteps; t >= 1; --t) {
    float* at = values + (t - 1) * stride;
    g = carry_leak<VectorArithmetic>(leak, g, hn::Load(d, at));
    hn::Store(g, d, at);
  }
}

// g(1..T) of one vector of neurons, weighed by kappa(1..T): what a schedule makes of a gradient on its way back.
HWY_INLINE void weigh_steps(float* HWY_RESTRICT values, int timesteps, int64_t stride,
                            const float* HWY_RESTRICT kappa) {
  for (int t = 0; t < timesteps; ++t, values += stride)
    hn::Store(hn::Mul(hn::Load(d, values), hn::Set(d, kappa[t])), d, values);
}

// From U(1..T) of `kFloats` neurons, the first of them at `at` in the source maps of all images and steps and of
// `channel`, to a(1..T).
// `spikes` is dL/d(spike) as seen by the pool, steps `stride` apart.
template <Surrogate kind, bool kScheduled>
HWY_INLINE void neuron_backward(const Receiver& task, const float* HWY_RESTRICT spikes, int64_t stride, V share,
                                V fire_time, int64_t at, int channel, NeuronSums& total) {
  const int T = task.neuron.timesteps;
  const int64_t step = task.shape->src_size();
  // Perhaps the same memory: a step is read before it is written, and not again.
  const float* potential = task.potential + at;
  float* to = task.a + at;
  const bool add = task.add;
  // Products with the reciprocal: a division keeps the unit busy for many cycles.
  const V inverse = hn::Set(d, 1.0f / task.neuron.threshold), leak = hn::Set(d, task.neuron.leak),
          one = hn::Set(d, 1.0f);
  const V cost = hn::Set(d, task.cost), start = in_channels(task.neuron.start, channel, task.shape->src_c);
  V g = hn::Zero(d);
  LifSums<VectorArithmetic> sums;
  V u = hn::Load(d, potential + (T - 1) * step);
  for (int t = T; t >= 1; --t) {
    const V before = t > 1 ? hn::Load(d, potential + (t - 2) * step) : start;
    const V ratio = hn::Mul(u, inverse), reach = kScheduled ? hn::Set(d, task.inverse[t - 1]) : inverse;
    V slope;
    if constexpr (kind == Surrogate::kExponential) {
      HWY_ALIGN float distance[kLane];
      hn::Store(hn::Max(hn::Sub(fire_time, hn::Set(d, float(t))), hn::Zero(d)), d, distance);
      for (int i = 0; i < kFloats; ++i) distance[i] = task.exponential[int(distance[i])];
      slope = hn::Load(d, distance);
    } else {
      const V reached = kScheduled ? hn::Mul(u, reach) : ratio;
      slope = HWY_NAMESPACE::surrogate_slope<kind, VectorArithmetic>(hn::Sub(reached, one), task.neuron.surrogate);
    }
    const V d_spike = hn::MulAdd(hn::Load(d, spikes + (t - 1) * stride), share, cost);
    const auto live = VectorArithmetic::reached(fire_time, VectorArithmetic::time(t));
    const V a = lif_backward<VectorArithmetic>(g, sums, d_spike, slope, ratio, before, reach, leak, live);
    float* out = to + (t - 1) * step;
    hn::Store(add ? hn::Add(a, hn::Load(d, out)) : a, d, out);
    u = before;
  }
  accumulate_initial<VectorArithmetic>(sums, g, leak, in_channels(task.neuron.initial, channel, task.shape->src_c));
  total.threshold.add(sums.threshold);
  total.leak.add(sums.leak);
}

// The same for `width` channels from `channel` on of one cell of an image, the children of a pooled cell one after the
// other: from the sums of Wt a(t), steps `stride` floats apart, to a(1..T) of the neurons below.
template <Surrogate kind, bool kScheduled>
HWY_INLINE void cell_backward(const Receiver& task, int64_t image, int y, int x, int channel, int width,
                              float* HWY_RESTRICT spikes, int stride, V leak, V scale, NeuronSums& total) {
  const StageShape& s = *task.shape;
  const int T = task.neuron.timesteps;
  for (int v = 0; v < width; v += kFloats) {
    carry_leak_back(spikes + v, T, stride, leak);
    if constexpr (kScheduled) weigh_steps(spikes + v, T, stride, task.kappa);
  }
  for (int i = 0; i < s.pool; ++i)
    for (int j = 0; j < s.pool; ++j) {
      const int64_t source = s.src_cell(y * s.pool + i, x * s.pool + j) + channel;
      const int64_t neuron = image * s.src_size() + source, at = image * T * s.src_size() + source;
      for (int v = 0; v < width; v += kFloats) {
        const V fire_time = load_fire_times(task.times + neuron + v, T);
        const V share = task.mask ? hn::Mul(scale, load_bytes(task.mask + neuron + v)) : scale;
        neuron_backward<kind, kScheduled>(task, spikes + v, stride, share, fire_time, at + v, channel + v, total);
      }
    }
}

// Calls run(kind, scheduled) with the surrogate and whether there are schedules as constants.
template <class F>
HWY_INLINE void with_neurons(const Receiver& task, const F& run) {
  with_surrogate(task.neuron.surrogate.kind, [&](auto kind) HWY_ATTR {
    if (task.inverse) run(kind, std::true_type());
    else run(kind, std::false_type());
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
