// a(t) -> g(t) = a(t) + leak * g(t+1) of one image of a linear layer, and the list of its non-zero a(t) (SPEC section 5).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/accumulate.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

void AccumulateRow(float* HWY_RESTRICT gradient, const float* HWY_RESTRICT potential, EventRows* rows, int64_t image, int timesteps, float leak,
                   const StageShape& s) {
  const hn::Rebind<uint32_t, D> d32;
  const V factor = hn::Set(d, leak);
  const auto lanes = hn::Iota(d32, 0);
  uint32_t *ids = rows->row_ids(image), *starts = rows->row_starts(image), count = 0;
  float* values = rows->row_values(image);
  for (int t = timesteps; t >= 1; --t) {
    const float* HWY_RESTRICT from = potential + (image * timesteps + t - 1) * s.out_cs;
    float* HWY_RESTRICT to = gradient + (image * timesteps + t - 1) * s.out_cs;
    *starts++ = count;
    for (int c = 0; c < s.out_cs; c += kFloats) {
      const V a = hn::Load(d, from + c);
      // Compressed in a register: a compressing store is microcode on Zen 4 and cost three times this whole function.
      const auto wanted = hn::Ne(a, hn::Zero(d));
      hn::StoreU(hn::Compress(a, wanted), d, values + count);
      hn::StoreU(hn::Compress(hn::Add(lanes, hn::Set(d32, uint32_t(c))), hn::RebindMask(d32, wanted)), d32, ids + count);
      count += uint32_t(hn::CountTrue(d, wanted));
      hn::Store(t < timesteps ? hn::MulAdd(factor, hn::Load(d, to + c + s.out_cs), a) : a, d, to + c);
    }
  }
  *starts = count;
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(AccumulateRow);
void accumulate_row(float* gradient, const float* potential, EventRows* rows, int64_t image, int timesteps, float leak, const StageShape& s) {
  HWY_DYNAMIC_DISPATCH(AccumulateRow)(gradient, potential, rows, image, timesteps, leak, s);
}
}  // namespace onespike::cpu
#endif
