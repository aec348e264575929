// Which instruction sets this processor has. Highway's headers need two functions of its library, which Debian ships as
// a shared object only; answering them here keeps the addon free of every dependency but libc.
#include <hwy/highway.h>

#include <algorithm>
#include <atomic>

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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

std::atomic<Bf16Unit> best_bf16_unit{Bf16Unit::kAmx};
std::atomic<size_t> left_out{0};

// Linux saves the eight tiles, 8 KiB a thread, only for processes that asked for it.
bool amx_usable() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  constexpr unsigned kTiles = 1u << 24, kBf16 = 1u << 22;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kTiles) || !(d & kBf16)) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Bf16Unit present_bf16_unit() {
#if HWY_ARCH_X86
  if (__builtin_cpu_supports("avx512bf16")) return amx_usable() ? Bf16Unit::kAmx : Bf16Unit::kAvx512;
#endif
  return Bf16Unit::kFloats;
}

}  // namespace

Bf16Unit bf16_unit() {
  static const Bf16Unit present = present_bf16_unit();
  return std::min(present, best_bf16_unit.load(std::memory_order_relaxed));
}

void limit_bf16_unit(Bf16Unit best) { best_bf16_unit = best; }

const char* bf16_unit_name(Bf16Unit unit) {
  switch (unit) {
    case Bf16Unit::kFloats: return "floats";
    case Bf16Unit::kAvx512: return "avx512";
    case Bf16Unit::kAmx: return "amx";
  }
  return "";
}

std::vector<std::string> cpu_targets() {
  std::vector<std::string> names;
  // The lowest bit is the best target.
  for (int64_t usable = hwy::SupportedTargets() & HWY_TARGETS; usable; usable &= usable - 1)
    names.push_back(hwy::TargetName(usable & -usable));
  return names;
}

std::string cpu_target_name() {
  const std::string target = cpu_targets().at(left_out);
  // Kernels of other targets multiply floats.
  if (target != "AVX3" || bf16_unit() == Bf16Unit::kFloats) return target;
  return target + (bf16_unit() == Bf16Unit::kAmx ? " with AMX" : " with BF16");
}

void limit_cpu_target(size_t first) {
  int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  size_t without = 0;
  for (; without < first && (usable & (usable - 1)); ++without) usable &= usable - 1;
  left_out = without;
  hwy::GetChosenTarget().Update(usable);
}

}  // namespace onespike
