// Rows of bf16 weights of which any two become a row of pairs in registers, and the product of pairs: what the input
// gradient takes in mixed precision where the processor multiplies bf16. Compiled once per instruction set like
// vector-inl.h.
#if defined(ONESPIKE_CPU_HALF_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_HALF_ROWS_INL_H_
#undef ONESPIKE_CPU_HALF_ROWS_INL_H_
#else
#define ONESPIKE_CPU_HALF_ROWS_INL_H_
#endif

#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX3

// sum + a * b over the two bf16 of every lane. Highway 1.0 has no target with this instruction. Spelt in assembly it
// needs none: the caller asks native_bf16().
template <class A, class B>
HWY_INLINE V multiply_pairs(A a, B b, V sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(b.raw), "v"(a.raw));
  return sum;
}

// Two rows that pack_half_rows made, as pairs: the first in the lower halves. One vector only of rows of one.
template <int kVectors>
HWY_INLINE void interleave_rows(V (&pairs)[kVectors], const uint16_t* HWY_RESTRICT first,
                                const uint16_t* HWY_RESTRICT second) {
  if constexpr (kVectors == 1) {
    const hn::Rebind<uint32_t, D> d32;
    const hn::Rebind<uint16_t, D> d16;
    pairs[0] = hn::BitCast(d, hn::Or(hn::PromoteTo(d32, hn::Load(d16, first)),
                                     hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::Load(d16, second)))));
  } else {
    const hn::Repartition<uint16_t, D> d16;
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v += 2) {
      const auto a = hn::Load(d16, first + v * kFloats), b = hn::Load(d16, second + v * kFloats);
      pairs[v] = hn::BitCast(d, hn::InterleaveLower(d16, a, b));
      pairs[v + 1] = hn::BitCast(d, hn::InterleaveUpper(d16, a, b));
    }
  }
}

// Weight rows of `width` floats in that order. Interleaving two rows takes the lower or upper four of every eight
// values: these become the channels of the first and of the second vector.
inline void pack_half_rows(uint16_t* HWY_RESTRICT to, const float* HWY_RESTRICT rows, int64_t count, int width) {
  const hn::Rebind<int32_t, D> d_signed;
  const hn::Repartition<int16_t, D> d16;
  const auto half = [&](const float* from)
                        HWY_ATTR { return hn::ShiftRight<16>(hn::BitCast(d_signed, round_bf16(hn::Load(d, from)))); };
  if (width < 2 * kLane) {
    const hn::Rebind<int16_t, D> d_half;
    for (int64_t i = 0; i < count; i += kLane)
      hn::Store(hn::DemoteTo(d_half, half(rows + i)), d_half, reinterpret_cast<int16_t*>(to + i));
    return;
  }
  for (int64_t i = 0; i < count; i += 2 * kLane)
    hn::Store(hn::ReorderDemote2To(d16, half(rows + i), half(rows + i + kLane)), d16,
              reinterpret_cast<int16_t*>(to + i));
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
