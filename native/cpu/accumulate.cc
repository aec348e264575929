// a(t) -> g(t) = a(t) + leak * g(t+1) of one row, in place, and the list of its non-zero a(t) (SPEC section 5).
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

void AccumulateRow(float* potential, EventRows* rows, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  const hn::Rebind<uint32_t, D> d32;
  const int64_t row = image * s.out_h + y, step = s.grad_step();
  uint32_t* ids = rows ? rows->row_ids(row) : nullptr;
  float* values = rows ? rows->row_values(row) : nullptr;
  uint32_t* starts = rows ? rows->row_starts(row) : nullptr;
  const V factor = hn::Set(d, leak);
  uint32_t count = 0;
  for (int t = timesteps; t >= 1; --t) {
    float* at = potential + (image * timesteps + t - 1) * step + s.grad_cell(y, 0);
    for (int x = 0; x < s.out_w; ++x) {
      if (rows) *starts++ = count;
      for (int c = 0; c < s.out_cs; c += kFloats) {
        float* here = at + int64_t(x) * s.out_cs + c;
        const V a = hn::Load(d, here);
        if (rows) {
          const auto wanted = hn::Ne(a, hn::Zero(d));
          if (!hn::AllFalse(d, wanted)) {
            const auto id = hn::Iota(d32, uint32_t(x * s.out_cs + c));
            hn::CompressStore(a, wanted, d, values + count);
            count += uint32_t(hn::CompressStore(id, hn::RebindMask(d32, wanted), d32, ids + count));
          }
        }
        if (t < timesteps) hn::Store(hn::MulAdd(factor, hn::Load(d, here + step), a), d, here);
      }
    }
  }
  if (rows) *starts = count;
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(AccumulateRow);
void accumulate_row(float* potential, EventRows* rows, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  HWY_DYNAMIC_DISPATCH(AccumulateRow)(potential, rows, image, y, timesteps, leak, s);
}
}  // namespace onespike::cpu
#endif
