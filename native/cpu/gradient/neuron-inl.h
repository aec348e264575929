// The surrogate of a neuron applied backward (docs/MATHEMATICS.md, "Gradients through time"), compiled once per
// instruction set like vector-inl.h.
#if defined(ONESPIKE_CPU_NEURON_BACKWARD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_NEURON_BACKWARD_INL_H_
#undef ONESPIKE_CPU_NEURON_BACKWARD_INL_H_
#else
#define ONESPIKE_CPU_NEURON_BACKWARD_INL_H_
#endif

#include "cpu/gradient/receiver.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// From U(1..T) of `kFloats` neurons, the first of them at `at` in the source maps of all images and steps, to a(1..T).
// `spikes` is dL/d(spike) as seen by the pool, steps `stride` apart.
template <Surrogate kind>
HWY_INLINE void neuron_backward(const Receiver& task, const float* HWY_RESTRICT spikes, int64_t stride, V share,
                                V fire_time, int64_t at, Sum& total_threshold, Sum& total_leak) {
  const int T = task.neuron.timesteps;
  const int64_t step = task.shape->src_size();
  // Perhaps the same memory: a step is read before it is written, and not again.
  const float* potential = task.potential + at;
  float* to = task.a + at;
  const bool add = task.add;
  // Products with the reciprocal: a division keeps the unit busy for many cycles.
  const V inverse = hn::Set(d, 1.0f / task.neuron.threshold), leak = hn::Set(d, task.neuron.leak),
          one = hn::Set(d, 1.0f);
  V g = hn::Zero(d), d_threshold = hn::Zero(d), d_leak = hn::Zero(d);
  V u = hn::Load(d, potential + (T - 1) * step);
  for (int t = T; t >= 1; --t) {
    const V before = t > 1 ? hn::Load(d, potential + (t - 2) * step) : hn::Zero(d);
    const V ratio = hn::Mul(u, inverse);
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
    const V a = hn::IfThenElseZero(live, hn::Mul(hn::Mul(d_spike, slope), inverse));
    d_threshold = hn::Sub(d_threshold, hn::IfThenElseZero(live, hn::Mul(a, ratio)));
    g = hn::MulAdd(leak, g, a);
    d_leak = hn::Add(d_leak, hn::IfThenElseZero(live, hn::Mul(g, before)));
    float* out = to + (t - 1) * step;
    hn::Store(add ? hn::Add(a, hn::Load(d, out)) : a, d, out);
    u = before;
  }
  total_threshold.add(d_threshold);
  total_leak.add(d_leak);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
