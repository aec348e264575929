// a(t) -> g(t) = a(t) + leak * g(t+1) of one row, and the list of its non-zero a(t) (SPEC section 5).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/accumulate.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <cstring>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// The border cells beside row y of every step, and with the first and the last row those above and below the map.
void zero_border(float* gradient, int y, int timesteps, const StageShape& s) {
  const int64_t row = int64_t(s.grad_w()) * s.out_cs, left = int64_t(s.border_w()) * s.out_cs, inner = int64_t(s.out_w) * s.out_cs;
  for (int t = 0; t < timesteps; ++t) {
    float* map = gradient + t * s.grad_step();
    float* here = map + (y + s.border_h()) * row;
    std::memset(here, 0, sizeof(float) * left);
    std::memset(here + left + inner, 0, sizeof(float) * (row - left - inner));
    if (y == 0) std::memset(map, 0, sizeof(float) * s.border_h() * row);
    if (y == s.out_h - 1) std::memset(here + row, 0, sizeof(float) * (s.grad_h() - s.border_h() - s.out_h) * row);
  }
}

template <bool kEvents>
HWY_INLINE void accumulate(float* HWY_RESTRICT gradient, const float* HWY_RESTRICT potential, uint32_t* HWY_RESTRICT ids,
                           float* HWY_RESTRICT values, uint32_t* HWY_RESTRICT starts, int y, int timesteps, float leak, const StageShape& s) {
  const hn::Rebind<uint32_t, D> d32;
  const V factor = hn::Set(d, leak);
  const auto lanes = hn::Iota(d32, 0);
  uint32_t count = 0;
  for (int t = timesteps; t >= 1; --t) {
    const float* HWY_RESTRICT from = potential + (t - 1) * s.out_size() + s.out_cell(y, 0);
    float* HWY_RESTRICT to = gradient + (t - 1) * s.grad_step() + s.grad_cell(y, 0);
    for (int x = 0; x < s.out_w; ++x) {
      if (kEvents) *starts++ = count;
      for (int c = x * s.out_cs; c < (x + 1) * s.out_cs; c += kFloats) {
        const V a = hn::Load(d, from + c);
        if (kEvents) {
          // Compressed in a register: a compressing store is microcode on Zen 4 and cost three times this whole function.
          const auto wanted = hn::Ne(a, hn::Zero(d));
          hn::StoreU(hn::Compress(a, wanted), d, values + count);
          hn::StoreU(hn::Compress(hn::Add(lanes, hn::Set(d32, uint32_t(c))), hn::RebindMask(d32, wanted)), d32, ids + count);
          count += uint32_t(hn::CountTrue(d, wanted));
        }
        hn::Store(t < timesteps ? hn::MulAdd(factor, hn::Load(d, to + c + s.grad_step()), a) : a, d, to + c);
      }
    }
  }
  if (kEvents) *starts = count;
}

void AccumulateRow(float* gradient, const float* potential, EventRows* rows, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  const int64_t row = image * s.out_h + y;
  gradient += image * timesteps * s.grad_step();
  potential += image * timesteps * s.out_size();
  zero_border(gradient, y, timesteps, s);
  if (rows) accumulate<true>(gradient, potential, rows->row_ids(row), rows->row_values(row), rows->row_starts(row), y, timesteps, leak, s);
  else accumulate<false>(gradient, potential, nullptr, nullptr, nullptr, y, timesteps, leak, s);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(AccumulateRow);
void accumulate_row(float* gradient, const float* potential, EventRows* rows, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  HWY_DYNAMIC_DISPATCH(AccumulateRow)(gradient, potential, rows, image, y, timesteps, leak, s);
}
}  // namespace onespike::cpu
#endif
