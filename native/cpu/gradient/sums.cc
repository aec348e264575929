// The sums of sums-inl.h over the events of one receiver's window, for every width of a tile and length of a block.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/sums.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>

#include "cpu/gradient/sums-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// sum[step] += a(step) * row over the events of range kFirst..kLast, and of all ranges after it.
template <class P, int kFirst, int kLast, int kWidth, int kSteps, int kVectors>
HWY_INLINE void add_ranges(StepSums<kSteps, kVectors>& sum, const RangeRuns<typename P::Weight>& run,
                           const uint32_t* starts) {
  constexpr int kCovered = kLast - kFirst + 1;
  const uint32_t* HWY_RESTRICT end = run.words + starts[run.columns];
  for (const uint32_t* HWY_RESTRICT event = run.words + starts[0]; event != end; event += P::kIds + kCovered) {
    V weight[kVectors];
    P::template load<kWidth>(weight, run.rows, event);
#pragma GCC unroll 5
    for (int t = 0; t < kCovered; ++t) {
      const U a = hn::Set(d32, event[P::kIds + t]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum.at[kFirst + t].at[v] = P::multiply_add(a, weight[v], sum.at[kFirst + t].at[v]);
    }
  }
  if constexpr (kLast + 1 < kSteps) add_ranges<P, kFirst, kLast + 1, kWidth>(sum, run, starts + run.range_stride);
  else if constexpr (kFirst + 1 < kSteps)
    add_ranges<P, kFirst + 1, kFirst + 1, kWidth>(sum, run, starts + run.range_stride);
}

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

static_assert(kMaxBlock == 5);
#define ONESPIKE_SUMS_OF(P, kWidth)                                                     \
  template void add_window<P, kWidth, 1>(float*, const RangeRuns<typename P::Weight>&); \
  template void add_window<P, kWidth, 2>(float*, const RangeRuns<typename P::Weight>&); \
  template void add_window<P, kWidth, 3>(float*, const RangeRuns<typename P::Weight>&); \
  template void add_window<P, kWidth, 4>(float*, const RangeRuns<typename P::Weight>&); \
  template void add_window<P, kWidth, 5>(float*, const RangeRuns<typename P::Weight>&);

ONESPIKE_SUMS_OF(Single, 16)
ONESPIKE_SUMS_OF(Single, 32)
ONESPIKE_SUMS_OF(Single, 64)
#if HWY_TARGET == HWY_AVX3
ONESPIKE_SUMS_OF(Pair, 16)
ONESPIKE_SUMS_OF(Pair, 32)
ONESPIKE_SUMS_OF(Pair, 64)
#endif
#undef ONESPIKE_SUMS_OF

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();
