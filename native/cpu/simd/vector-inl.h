// What every kernel file shares, compiled once per instruction set: the vector of floats, the arithmetic of the
// formulas in ops/, and the walk over an event list.
#if defined(ONESPIKE_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_VECTOR_INL_H_
#undef ONESPIKE_CPU_VECTOR_INL_H_
#else
#define ONESPIKE_CPU_VECTOR_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <type_traits>

#include "ops/lif.h"
#include "ops/shape.h"
#include "ops/surrogate.h"
#include "ops/update.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kLane>;
using V = hn::Vec<D>;
constexpr D d;
constexpr int kFloats = int(hn::MaxLanes(D()));  // in one vector: 4, 8 or 16

// Registers that hold accumulators of a dense block; AVX-512 has 32 vector registers, the others 16.
constexpr int kDenseVectors = kFloats == 16 ? 4 : 2;

// The arithmetic of ops/ on vectors. A step is a vector of floats like everything else: bytes become and leave floats.
struct VectorArithmetic {
  using F = V;
  using Time = V;
  using Mask = hn::Mask<D>;

  static HWY_INLINE V set(double x) { return hn::Set(d, float(x)); }
  static HWY_INLINE V time(int t) { return hn::Set(d, float(t)); }

  static HWY_INLINE V abs(V x) { return hn::Abs(x); }
  static HWY_INLINE V neg(V x) { return hn::Neg(x); }
  static HWY_INLINE V max(V a, V b) { return hn::Max(a, b); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V div(V a, V b) { return hn::Div(a, b); }
  static HWY_INLINE V sqrt(V a) { return hn::Sqrt(a); }
  static HWY_INLINE V mul_add(V a, V b, V c) { return hn::MulAdd(a, b, c); }

  static HWY_INLINE Mask less(V a, V b) { return hn::Lt(a, b); }
  static HWY_INLINE Mask greater(V a, V b) { return hn::Gt(a, b); }
  static HWY_INLINE Mask at_least(V a, V b) { return hn::Ge(a, b); }
  static HWY_INLINE Mask reached(V a, V b) { return hn::Ge(a, b); }
  static HWY_INLINE V select(Mask which, V yes, V no) { return hn::IfThenElse(which, yes, no); }
  static HWY_INLINE V select_time(Mask which, V yes, V no) { return hn::IfThenElse(which, yes, no); }
  static HWY_INLINE V zero_unless(Mask which, V x) { return hn::IfThenElseZero(which, x); }
};

#include "ops/lif-inl.h"
#include "ops/surrogate-inl.h"
#include "ops/update-inl.h"

// Accumulators of one tile.
template <int kCount>
struct Block {
  V at[kCount];

  HWY_INLINE void fill(V value) {
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) at[i] = value;
  }
};

// Calls run(width) with the width of a tile as a constant.
template <class F>
HWY_INLINE void with_width(int width, const F& run) {
  if (width == 64) run(std::integral_constant<int, 64>());
  else if (width == 32) run(std::integral_constant<int, 32>());
  else run(std::integral_constant<int, 16>());
}

// sum[lane] += (value of event) * row(event)[lane] over events [from, to). The row of an event is id + shift.
template <int kWidth, bool kValued, int kCount>
HWY_INLINE void add_rows(Block<kCount>& sum, const float* HWY_RESTRICT rows, const uint32_t* HWY_RESTRICT ids,
                         const float* HWY_RESTRICT values, uint32_t from, uint32_t to, int64_t shift) {
  for (uint32_t i = from; i < to; ++i) {
    const float* HWY_RESTRICT row = rows + (int64_t(ids[i]) + shift) * kWidth;
    if constexpr (kValued) {
      const V value = hn::Set(d, values[i]);
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) sum.at[v] = hn::MulAdd(value, hn::Load(d, row + v * kFloats), sum.at[v]);
    } else {
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) sum.at[v] = hn::Add(sum.at[v], hn::Load(d, row + v * kFloats));
    }
  }
}

// The upper half of every lane is x rounded to bf16, to nearest even; the lower half is arbitrary.
HWY_INLINE hn::Vec<hn::Rebind<uint32_t, D>> round_bf16(V x) {
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::BitCast(d32, x);
  const auto up = hn::Add(bits, hn::Add(hn::Set(d32, 0x7fffu), hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u))));
  return hn::IfThenElse(hn::RebindMask(d32, hn::IsNaN(x)), hn::Or(bits, hn::Set(d32, 0x400000u)), up);
}

HWY_INLINE V load_bytes(const uint8_t* HWY_RESTRICT from) {
  const hn::Rebind<uint8_t, D> d8;
  const hn::Rebind<int32_t, D> d32;
  return hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, from)));
}

HWY_INLINE void store_bytes(V values, uint8_t* HWY_RESTRICT to) {
  const hn::Rebind<uint8_t, D> d8;
  const hn::Rebind<int32_t, D> d32;
  hn::StoreU(hn::DemoteTo(d8, hn::ConvertTo(d32, values)), d8, to);
}

// A sum over many neurons in double precision: the gradients of a threshold and a leak are small differences of large
// sums, and a float accumulator costs them three digits.
struct Sum {
  double lanes[kFloats] = {};

  HWY_INLINE void add(V v) {
    HWY_ALIGN float values[kFloats];
    hn::Store(v, d, values);
    for (int i = 0; i < kFloats; ++i) lanes[i] += values[i];
  }
  HWY_INLINE double total() const {
    double sum = 0;
    for (int i = 0; i < kFloats; ++i) sum += lanes[i];
    return sum;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
