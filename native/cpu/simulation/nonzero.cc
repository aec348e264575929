#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/simulation/nonzero.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/simulation/nonzero.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Without a branch that depends on the bytes: which of them are not zero cannot be predicted.
int Nonzero(const uint8_t* HWY_RESTRICT bytes, int count, uint32_t first, uint32_t* HWY_RESTRICT to) {
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<uint8_t, D> d8;
  const auto step = hn::Set(d32, uint32_t(kFloats));
  auto ids = hn::Add(hn::Iota(d32, 0u), hn::Set(d32, first));
  uint32_t* next = to;
  for (int i = 0; i < count; i += kFloats) {
    const auto found = hn::Ne(hn::PromoteTo(d32, hn::LoadU(d8, bytes + i)), hn::Zero(d32));
    // CompressStore, which writes no lane too many, takes many times as long on some processors.
    hn::StoreU(hn::Compress(ids, found), d32, next);
    next += hn::CountTrue(d32, found);
    ids = hn::Add(ids, step);
  }
  return int(next - to);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(Nonzero);
int nonzero(const uint8_t* bytes, int count, uint32_t first, uint32_t* to) {
  return HWY_DYNAMIC_DISPATCH(Nonzero)(bytes, count, first, to);
}
}  // namespace onespike::cpu
#endif
