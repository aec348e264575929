// Parameter updates over ranges of elements; the formulas are those of ops/update.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/update.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/update.h"
#include "cpu/simd/vector-inl.h"
#include "ops/update.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Counts are multiples of kLane: packed tensors are padded. Parameters come by value: stores to floats behind pointers
// cannot change them, so the loops keep them in registers.
void SgdRange(float* w, const float* g, float* m, int64_t count, UpdateParams p) {
  for (int64_t i = 0; i < count; i += kFloats) {
    V weight = hn::Load(d, w + i), moment = hn::Load(d, m + i);
    HWY_NAMESPACE::sgd_update<VectorArithmetic>(weight, hn::Load(d, g + i), moment, p);
    hn::Store(weight, d, w + i);
    hn::Store(moment, d, m + i);
  }
}

void AdamRange(float* w, const float* g, float* m, float* v, float* top, int64_t count, UpdateParams p) {
  for (int64_t i = 0; i < count; i += kFloats) {
    V weight = hn::Load(d, w + i), first = hn::Load(d, m + i), second = hn::Load(d, v + i);
    V highest = p.amsgrad ? hn::Load(d, top + i) : hn::Zero(d);
    HWY_NAMESPACE::adam_update<VectorArithmetic>(weight, hn::Load(d, g + i), first, second, highest, p);
    hn::Store(weight, d, w + i);
    hn::Store(first, d, m + i);
    hn::Store(second, d, v + i);
    if (p.amsgrad) hn::Store(highest, d, top + i);
  }
}

void AverageRange(float* average, const float* values, int64_t count, float decay, float rest) {
  for (int64_t i = 0; i < count; i += kFloats) {
    V mean = hn::Load(d, average + i);
    HWY_NAMESPACE::average_update<VectorArithmetic>(mean, hn::Load(d, values + i), decay, rest);
    hn::Store(mean, d, average + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(SgdRange);
HWY_EXPORT(AdamRange);
HWY_EXPORT(AverageRange);
void sgd_range(float* w, const float* g, float* m, int64_t count, const UpdateParams& p) {
  HWY_DYNAMIC_DISPATCH(SgdRange)(w, g, m, count, p);
}
void adam_range(float* w, const float* g, float* m, float* v, float* top, int64_t count, const UpdateParams& p) {
  HWY_DYNAMIC_DISPATCH(AdamRange)(w, g, m, v, top, count, p);
}
void average_range(float* average, const float* values, int64_t count, float decay, float rest) {
  HWY_DYNAMIC_DISPATCH(AverageRange)(average, values, count, decay, rest);
}
}  // namespace onespike::cpu
#endif
