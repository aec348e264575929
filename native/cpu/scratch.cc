#include "cpu/scratch.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string_view>

namespace onespike::cpu {
namespace {

// Below this a failed look at the system costs more than it saves.
constexpr size_t kSmall = size_t(64) << 20;

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
  return std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace onespike::cpu
