// Which instruction sets this processor has. Highway's headers need two functions of its library, which Debian ships as
// a shared object only; answering them here keeps the addon free of every dependency but libc.
#include <hwy/highway.h>

#include <atomic>

#include "cpu/simd/targets.h"

namespace hwy {

int64_t SupportedTargets() {
#if HWY_ARCH_X86
  int64_t targets = HWY_STATIC_TARGET;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")) targets |= HWY_SSE4 | HWY_SSSE3;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (avx2) targets |= HWY_AVX2;
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
    targets |= HWY_AVX3;
  return targets;
#else
  return HWY_STATIC_TARGET;
#endif
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy

namespace onespike {
namespace {

std::atomic<bool> native_bf16_allowed{true};
std::atomic<size_t> left_out{0};

}  // namespace

namespace cpu {

bool native_bf16() {
#if HWY_ARCH_X86
  static const bool present = __builtin_cpu_supports("avx512bf16");
  return present && native_bf16_allowed.load(std::memory_order_relaxed);
#else
  return false;
#endif
}

}  // namespace cpu

void allow_native_bf16(bool allowed) { native_bf16_allowed = allowed; }

std::vector<std::string> cpu_targets() {
  std::vector<std::string> names;
  // The lowest bit is the best target.
  for (int64_t usable = hwy::SupportedTargets() & HWY_TARGETS; usable; usable &= usable - 1)
    names.push_back(hwy::TargetName(usable & -usable));
  return names;
}

std::string cpu_target_name() { return cpu_targets().at(left_out); }

void limit_cpu_target(size_t first) {
  int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  size_t without = 0;
  for (; without < first && (usable & (usable - 1)); ++without) usable &= usable - 1;
  left_out = without;
  hwy::GetChosenTarget().Update(usable);
}

}  // namespace onespike
