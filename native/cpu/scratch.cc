#include "cpu/scratch.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string_view>

namespace onespike::cpu {
namespace {

// Below this a failed look at the system costs more than it saves.
constexpr size_t kSmall = size_t(64) << 20;

// Weights are read in the order of events, all over a tile: with pages of 4 KiB a tile of 600 KiB needs twice the entries that
// the first address cache of the processor has. Linux has large pages of this size on x86-64 and on most arm64.
constexpr size_t kHuge = size_t(2) << 20, kFrom = size_t(256) << 10;

// The number after `key` in a file of the system, or `none`.
uint64_t number_in(const char* path, const char* key, uint64_t none) {
  std::FILE* file = std::fopen(path, "r");
  if (!file) return none;
  char line[128];
  unsigned long long value = none;
  while (std::fgets(line, sizeof line, file)) {
    const std::string_view text(line);
    if (text.substr(0, std::string_view(key).size()) != key) continue;
    if (std::sscanf(line + std::string_view(key).size(), "%llu", &value) == 1) break;
  }
  std::fclose(file);
  return value;
}

// Linux promises memory that it does not have, and ends the process that touches it. So large blocks are refused here.
bool fits(size_t bytes) {
  constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();
  if (bytes < kSmall) return true;
  const uint64_t available = number_in("/proc/meminfo", "MemAvailable:", kUnknown / 1024) * 1024;
  const uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "", kUnknown);
  const uint64_t used = limit == kUnknown ? 0 : number_in("/sys/fs/cgroup/memory.current", "", 0);
  return bytes <= std::min(available, limit - std::min(limit, used));
}

}  // namespace

void* allocate_aligned(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() - kAlignment || !fits(bytes)) return nullptr;
  const size_t alignment = bytes < kFrom ? kAlignment : kHuge;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#if defined(__linux__)
  // An advice: without huge pages everything works as before.
  if (memory && alignment == kHuge) madvise(memory, (bytes + kHuge - 1) / kHuge * kHuge, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace onespike::cpu
