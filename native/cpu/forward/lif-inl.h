// The neurons of a pixel (ops/lif-inl.h), for the kernels that sum weights in floats. Compiled once per instruction
// set.
#if defined(ONESPIKE_CPU_LIF_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_LIF_INL_H_
#undef ONESPIKE_CPU_LIF_INL_H_
#else
#define ONESPIKE_CPU_LIF_INL_H_
#endif

#include <limits>

#include "cpu/forward/spiking_forward.h"
#include "cpu/simd/channels-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

template <int kCount>
HWY_INLINE void add_row(Block<kCount>& to, const float* HWY_RESTRICT from) {
#pragma GCC unroll 16
  for (int v = 0; v < kCount; ++v) to.at[v] = hn::Add(to.at[v], hn::Load(d, from + v * kFloats));
}

template <int kCount>
HWY_INLINE void store_row(const Block<kCount>& from, float* HWY_RESTRICT to) {
#pragma GCC unroll 16
  for (int v = 0; v < kCount; ++v) hn::Store(from.at[v], d, to + v * kFloats);
}

// kCount vectors of channels, from `channel` on, of output cell `cell` (of all images) at (y, x).
template <int kCount>
struct LifPixel {
  HWY_INLINE LifPixel(const ForwardTask& task, int64_t image, int y, int x, int channel)
      : task_(task),
        leak_(hn::Set(d, task.neuron.leak)),
        channel_(channel),
        cell_(((image * task.shape->out_h + y) * task.shape->out_w + x) * task.shape->out_cs + channel),
        potential_(image * task.neuron.timesteps * task.shape->out_size() + task.shape->out_cell(y, x) + channel) {
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v)
      u_.at[v] = in_channels(task.neuron.start, channel + v * kFloats, task.shape->out_c);
    fired_.fill(hn::Zero(d));
  }

  // `sum` of the weights of the events at step t; it becomes the potential.
  HWY_INLINE void step(Block<kCount>& sum, int t) {
    const StepFactors& now = task_.steps[t - 1];
    const V scale = hn::Set(d, now.scale), threshold = hn::Set(d, now.threshold);
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) sum.at[v] = lif_integrate<VectorArithmetic>(u_.at[v], leak_, sum.at[v], scale);
    if (task_.bias) add_row(sum, task_.bias + channel_);
    if (task_.current && (t == 1 || task_.current_always)) {
      const V kappa = hn::Set(d, now.kappa);
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v)
        sum.at[v] = hn::MulAdd(kappa, hn::Load(d, task_.current + cell_ + v * kFloats), sum.at[v]);
    }
    if (task_.potential) store_row(sum, task_.potential + potential_ + (t - 1) * task_.shape->out_size());
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) lif_fire<VectorArithmetic>(u_.at[v], fired_.at[v], sum.at[v], threshold, t);
  }

  HWY_INLINE void store() const {
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) store_bytes(fired_.at[v], task_.times + cell_ + v * kFloats);
  }

 private:
  const ForwardTask& task_;
  const V leak_;
  const int channel_;
  const int64_t cell_, potential_;
  Block<kCount> u_, fired_;
};

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
