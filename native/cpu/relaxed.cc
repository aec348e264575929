// Relaxed layers of the spiking stage (docs/MATHEMATICS.md, "Relaxation of spikes").
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/relaxed.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/relaxed.h"
#include "cpu/simd/channels-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

float reach_of(const NeuronParams& p) { return 1 / (p.threshold() * p.threshold_factor(p.timesteps)); }

void RelaxRow(const RelaxTask& task, int64_t image, int y) {
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps;
  const int64_t row = int64_t(s.out_w) * s.out_cs;
  const float* HWY_RESTRICT last = task.potential + (image * T + T - 1) * s.out_size() + s.out_cell(y, 0);
  float* HWY_RESTRICT to = task.sent + image * s.out_size() + s.out_cell(y, 0);
  const V reach = hn::Set(d, reach_of(task.neuron));
  for (int64_t i = 0; i < row; i += kFloats)
    hn::Store(relaxed_value<VectorArithmetic>(hn::Mul(hn::Load(d, last + i), reach)), d, to + i);
}

NeuronGradient RelaxedGradientRow(const RelaxGradientTask& task, int64_t image, int y) {
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps;
  const NeuronValues neuron(task.neuron);
  const int64_t row = int64_t(s.out_w) * s.out_cs, step = s.out_size(), at = s.out_cell(y, 0);
  const float* HWY_RESTRICT d_sent = task.d_sent + image * step + at;
  const float* potential = task.potential + image * T * step + at;
  float* to = task.a + image * T * step + at;
  const V reach = hn::Set(d, reach_of(task.neuron)), inverse = hn::Set(d, 1 / neuron.threshold),
          leak = hn::Set(d, neuron.leak), zero = hn::Zero(d);
  const auto live = hn::Eq(zero, zero);
  Sum threshold, leaks;
  for (int64_t i = 0; i < row; i += kFloats) {
    const int channel = int(i % s.out_cs);
    V u = hn::Load(d, potential + (T - 1) * step + i), g = zero;
    LifSums<VectorArithmetic> sums;
    for (int t = T; t >= 1; --t) {
      const V before =
          t > 1 ? hn::Load(d, potential + (t - 2) * step + i) : in_channels(neuron.start, channel, s.out_c);
      V a = zero;
      if (t == T) {
        const V slope = relaxed_slope<VectorArithmetic>(hn::Mul(u, reach));
        a = spike_gradient<VectorArithmetic>(hn::Load(d, d_sent + i), slope, reach, live);
      }
      accumulate_neuron<VectorArithmetic>(g, sums, a, hn::Mul(u, inverse), before, leak, live);
      float* out = to + (t - 1) * step + i;
      hn::Store(task.add ? hn::Add(a, hn::Load(d, out)) : a, d, out);
      u = before;
    }
    accumulate_initial<VectorArithmetic>(sums, g, leak, in_channels(neuron.initial, channel, s.out_c));
    threshold.add(sums.threshold), leaks.add(sums.leak);
  }
  NeuronGradient all;
  all.threshold = threshold.total(), all.leak = leaks.total();
  return all;
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(RelaxRow);
HWY_EXPORT(RelaxedGradientRow);
void relax_row(const RelaxTask& task, int64_t image, int y) { HWY_DYNAMIC_DISPATCH(RelaxRow)(task, image, y); }
NeuronGradient relaxed_gradient_row(const RelaxGradientTask& task, int64_t image, int y) {
  return HWY_DYNAMIC_DISPATCH(RelaxedGradientRow)(task, image, y);
}
}  // namespace onespike::cpu
#endif
