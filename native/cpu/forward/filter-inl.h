// What the kernels of the filter (cpu/forward/spike_filter.h) share, compiled once per instruction set.
#if defined(ONESPIKE_CPU_FILTER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_FILTER_INL_H_
#undef ONESPIKE_CPU_FILTER_INL_H_
#else
#define ONESPIKE_CPU_FILTER_INL_H_
#endif

#include <limits>

#include "cpu/forward/spike_filter.h"
#include "cpu/simd/channels-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using DI = hn::RebindToSigned<D>;
using D16 = hn::Rebind<int16_t, D>;
constexpr DI di;
constexpr D16 d16;
// Pairs of 16 bits are multiplied where it takes one instruction, which sums neighbours and leaves lanes in their
// places.
#undef ONESPIKE_PAIRED
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
#define ONESPIKE_PAIRED 1
using DP = hn::Repartition<int16_t, DI>;
constexpr DP dp;
#else
#define ONESPIKE_PAIRED 0
#endif

// Whether the rows of counted events are interleaved (FilterIntegers).
constexpr bool interleaved(int width) { return ONESPIKE_PAIRED && width >= 2 * kFloats; }

// kCount vectors of neurons from `channel` on, with what is certain of them. What the operations of a step round is
// part of `share`, or kMeasured: four of them are off by 2^-24 of the sum at most, and two by that of the potential.
template <int kCount, bool kMeasured>
struct FilterNeurons {
  HWY_INLINE FilterNeurons(const FilterTask& task, int channel)
      : units_(task.unit + channel),
        slacks_(task.slack + channel),
        drives_(task.drive + channel),
        carry_(task.carry),
        step_stride_(task.step_stride),
        leak_(task.exact->neuron.leak) {
    const float start = task.exact->neuron.start;
    const V threshold = hn::Set(d, task.exact->steps[0].threshold);
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v)
      above_.at[v] = hn::Sub(in_channels(start, channel + v * kFloats, task.exact->shape->out_c), threshold);
    fired.fill(hn::Zero(d));
    if constexpr (kMeasured) rounded_.fill(hn::Zero(d));
  }

  // The sums of the integers of the `events` of step t; each may be off by `share` of a unit.
  template <class SumOf>
  HWY_INLINE void step(const SumOf& sum_of, uint32_t events, float share, int t) {
    const V leak = hn::Set(d, leak_);
    const float* HWY_RESTRICT units = units_ + (t - 1) * step_stride_;
    const float* HWY_RESTRICT drives = drives_ + (t - 1) * step_stride_;
    weighed_ = carry_[t - 1] * weighed_ + float(events);
    const V off = hn::Set(d, weighed_ * share);
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v) {
      const V unit = hn::Load(d, units + v * kFloats), sum = sum_of(v);
      const V next = hn::MulAdd(unit, sum, hn::MulAdd(leak, above_.at[v], hn::Load(d, drives + v * kFloats)));
      V bound = hn::MulAdd(off, unit, hn::Load(d, slacks_ + v * kFloats));
      if constexpr (kMeasured) {
        // Of a spent neuron, minus infinity, nothing is in doubt.
        const V size = hn::IfThenElseZero(hn::Ge(next, hn::Set(d, -std::numeric_limits<float>::max())),
                                          hn::MulAdd(unit, hn::Abs(sum), hn::Abs(next)));
        rounded_.at[v] = hn::MulAdd(leak, rounded_.at[v], hn::Mul(hn::Set(d, 0x1p-22f), size));
        bound = hn::Add(bound, rounded_.at[v]);
      }
      lif_fire_within<VectorArithmetic>(above_.at[v], fired.at[v], next, bound, t);
    }
  }

  Block<kCount> fired;  // spike times, or kInDoubt

 private:
  const float *HWY_RESTRICT units_, *HWY_RESTRICT slacks_, *HWY_RESTRICT drives_;
  const float* HWY_RESTRICT carry_;
  const int64_t step_stride_;
  const float leak_;
  Block<kCount> above_;  // potential less threshold
  Block<kMeasured ? kCount : 0> rounded_;
  float weighed_ = 0;  // E(t) of cpu/forward/spike_filter.h
};

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
