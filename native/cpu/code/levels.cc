#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/code/levels.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <cstring>

#include "cpu/code/levels.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

#include "ops/code/code-inl.h"

// All borders, whatever the input: a code has a dozen of them, and a search would take as long for its gathers.
void QuantiseRange(uint8_t* levels, const float* weighted, int64_t count, const float* borders, int largest) {
  for (int64_t i = 0; i < count; i += kFloats) {
    const V v = hn::Load(d, weighted + i);
    V level = hn::Zero(d);
    for (int border = 1; border <= largest; ++border)
      level = HWY_NAMESPACE::next_level<VectorArithmetic>(level, v, hn::Set(d, borders[border]));
    store_bytes(level, levels + i);
  }
}

void DecodeRange(float* to, const uint8_t* levels, int64_t count, const float* values) {
  const hn::Rebind<uint8_t, D> d8;
  const hn::Rebind<int32_t, D> d32;
  for (int64_t i = 0; i < count; i += kFloats)
    hn::Store(hn::GatherIndex(d, values, hn::PromoteTo(d32, hn::LoadU(d8, levels + i))), d, to + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(QuantiseRange);
HWY_EXPORT(DecodeRange);
void quantise_range(uint8_t* levels, const float* weighted, int64_t count, const float* borders, int largest) {
  HWY_DYNAMIC_DISPATCH(QuantiseRange)(levels, weighted, count, borders, largest);
}
void decode_range(float* to, const uint8_t* levels, int64_t count, const float* values) {
  HWY_DYNAMIC_DISPATCH(DecodeRange)(to, levels, count, values);
}

int64_t count_bits(const uint8_t* levels, int64_t count) {
  int64_t bits = 0;
  for (int64_t i = 0; i < count; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, levels + i, 8);
    bits += __builtin_popcountll(eight);
  }
  return bits;
}

// Not vectors: a logarithm in double precision, and only of what fired.
PairGradient code_gradient_range(float* d, const float* weighted, const uint8_t* levels, int64_t count,
                                 const float* values, const CodeParams& params, const SpikeCode& code) {
  PairGradient sum;
  for (int64_t i = 0; i < count; ++i) {
    const double received = d[i];
    const CodeSlopes slopes = code_slopes(code, params, weighted[i], levels[i], values[levels[i]]);
    d[i] = float(received * slopes.v);
    sum.first += received * slopes.first, sum.second += received * slopes.second;
  }
  return sum;
}
}  // namespace onespike::cpu
#endif
