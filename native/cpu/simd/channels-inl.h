// Numbers of the channels that a map has, and zeros in those that only fill its layout. Compiled once per instruction
// set.
#if defined(ONESPIKE_CPU_CHANNELS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ONESPIKE_CPU_CHANNELS_INL_H_
#undef ONESPIKE_CPU_CHANNELS_INL_H_
#else
#define ONESPIKE_CPU_CHANNELS_INL_H_
#endif

#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// `value` in the lanes of channels below `count`, the first lane being `channel`.
HWY_INLINE V in_channels(float value, int channel, int count) {
  if (value == 0) return hn::Zero(d);
  return hn::IfThenElseZero(hn::Lt(hn::Iota(d, channel), hn::Set(d, float(count))), hn::Set(d, value));
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#endif
