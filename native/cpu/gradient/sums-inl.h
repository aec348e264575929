// Sums of weight rows over gradient events (cpu/events/gradient_events.h), what the input gradients of convolutions and
// of linear layers share. Compiled once per instruction set like vector-inl.h.
#if defined(ONESPIKE_CPU_GRADIENT_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_GRADIENT_SUMS_INL_H_
#undef ONESPIKE_CPU_GRADIENT_SUMS_INL_H_
#else
#define ONESPIKE_CPU_GRADIENT_SUMS_INL_H_
#endif

#include <algorithm>

#include "cpu/events/gradient_events.h"
#include "cpu/simd/half_rows-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using D32 = hn::Rebind<uint32_t, D>;
using U = hn::Vec<D32>;
constexpr D32 d32;

// Vectors of channels whose sums over kMaxBlock steps fit the registers beside the weights: 20 of 32, or 10 of 16.
constexpr int kPassVectors = kFloats == 16 ? 4 : 2;

// The events of one row and block of steps that one receiver meets.
template <class Weight>
struct RangeRuns {
  const uint32_t* words;
  const uint32_t* starts;  // of the cell's first column, range 0 of the block
  int64_t range_stride;    // from one range to the next
  int columns;             // of the window
  const Weight* rows;      // of id 0
};

template <int kSteps, int kVectors>
struct StepSums {
  Block<kVectors> at[kSteps];
};

// One event at a time, floats.
struct Single {
  using Weight = float;
  static constexpr int kIds = 1;

  template <int kWidth, int kVectors>
  static HWY_INLINE void load(V (&weight)[kVectors], const float* HWY_RESTRICT rows,
                              const uint32_t* HWY_RESTRICT event) {
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
  static HWY_INLINE void load(V (&weight)[kVectors], const uint16_t* HWY_RESTRICT rows,
                              const uint32_t* HWY_RESTRICT event) {
    interleave_rows(weight, rows + int64_t(event[0]) * kWidth, rows + int64_t(event[1]) * kWidth);
  }
  static HWY_INLINE V multiply_add(U a, V weight, V sum) { return multiply_pairs(hn::BitCast(d, a), weight, sum); }
};
#endif

// spikes (step, channel of the tile) += what the events send. Compiled in sums.cc alone: it takes as long as all the
// rest of the two files that call it.
template <class P, int kWidth, int kSteps>
HWY_NOINLINE void add_window(float* HWY_RESTRICT spikes, const RangeRuns<typename P::Weight>& all);

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

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
