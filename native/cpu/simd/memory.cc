#include "cpu/simd/memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

namespace onespike::cpu {
namespace {

// Below this a call of the system that fails costs more than it saves.
constexpr size_t kSmall = size_t(64) << 20;

// Weights are read in the order of events, all over a tile: with pages of 4 KiB a tile of 600 KiB needs twice the
// entries that the first address cache of the processor has. Linux has large pages of this size on x86-64 and on most
// arm64.
constexpr size_t kHuge = size_t(2) << 20;

// Blocks from this size on are mapped. The C library would keep freed ones of up to 32 MiB for itself.
constexpr size_t kMapped = size_t(256) << 10;

// What lies before every block.
struct Header {
  void* base;     // of what was allocated
  size_t length;  // of a mapping, else 0
};
static_assert(sizeof(Header) <= kAlignment);

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

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

void* with_header(char* data, void* base, size_t length) {
  reinterpret_cast<Header*>(data)[-1] = {base, length};
  return data;
}

// Sanitizers see the bounds of what the C library allocates, and not those of mappings.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Zeros. The header has a page of its own, because large pages begin at multiples of their size.
void* map_pages(size_t bytes, Pages pages) {
  const size_t page = size_t(sysconf(_SC_PAGESIZE)), length = round_up(bytes, page), mapped = length + page + kHuge;
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  char *from = static_cast<char*>(mapping),
       *data = reinterpret_cast<char*>(round_up(reinterpret_cast<size_t>(from) + page, kHuge)), *base = data - page;
  if (base > from) munmap(from, size_t(base - from));
  if (from + mapped > data + length) munmap(data + length, size_t(from + mapped - (data + length)));
  // An advice: without large pages everything works as before. What is left beyond the last whole one stays in small
  // ones: a network has a hundred blocks, and rounding them up took 40 MB in the training of vgg16.
  if (pages == Pages::kLarge) madvise(data, length / kHuge * kHuge, MADV_HUGEPAGE);
  return with_header(data, base, page + length);
}
#else
void* map_pages(size_t, Pages) { return nullptr; }
#endif

}  // namespace

void* allocate_aligned(size_t bytes, bool zeroed, Pages pages) {
  if (bytes > std::numeric_limits<size_t>::max() - 2 * kHuge || !fits(bytes)) return nullptr;
  if (bytes >= kMapped)
    if (void* memory = map_pages(bytes, pages)) return memory;
  char* base = static_cast<char*>(std::aligned_alloc(kAlignment, kAlignment + round_up(bytes, kAlignment)));
  if (!base) return nullptr;
  if (zeroed) std::memset(base + kAlignment, 0, bytes);
  return with_header(base + kAlignment, base, 0);
}

void free_aligned(void* memory) {
  if (!memory) return;
  const Header header = static_cast<Header*>(memory)[-1];
#if defined(__linux__)
  if (header.length) {
    munmap(header.base, header.length);
    return;
  }
#endif
  std::free(header.base);
}

}  // namespace onespike::cpu
