#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/dense/binary.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/dense/binary.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

#include "ops/ann/binary-inl.h"

int64_t BinaryRange(float* out, const float* x, int64_t count, float threshold) {
  const V v = hn::Set(d, threshold);
  int64_t fired = 0;
  for (int64_t i = 0; i < count; i += kFloats) {
    const V in = hn::Load(d, x + i);
    fired += int64_t(hn::CountTrue(d, HWY_NAMESPACE::binary_fires<VectorArithmetic>(in, v)));
    hn::Store(HWY_NAMESPACE::binary_forward<VectorArithmetic>(in, v), d, out + i);
  }
  return fired;
}

double BinaryGradientRange(float* g, const float* x, int64_t count, float threshold, float cost) {
  const V v = hn::Set(d, threshold), scaled_cost = hn::Set(d, cost / (2 * threshold));
  Sum sum;
  for (int64_t i = 0; i < count; i += kFloats) {
    V term;
    hn::Store(
        HWY_NAMESPACE::binary_backward<VectorArithmetic>(hn::Load(d, g + i), hn::Load(d, x + i), v, scaled_cost, term),
        d, g + i);
    sum.add(term);
  }
  return sum.total();
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(BinaryRange);
HWY_EXPORT(BinaryGradientRange);
int64_t binary_range(float* out, const float* x, int64_t count, float threshold) {
  return HWY_DYNAMIC_DISPATCH(BinaryRange)(out, x, count, threshold);
}
double binary_gradient_range(float* d, const float* x, int64_t count, float threshold, float cost) {
  return HWY_DYNAMIC_DISPATCH(BinaryGradientRange)(d, x, count, threshold, cost);
}
}  // namespace onespike::cpu
#endif
