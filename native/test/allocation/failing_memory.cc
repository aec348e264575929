#include "test/allocation/failing_memory.h"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <new>
#include <unordered_map>

#include "cpu/simd/memory.h"

namespace onespike::test {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

std::atomic<int64_t> until_failure{kNever};  // allocations that succeed before the first that fails; below 0: it failed
std::atomic<bool> only_one{false}, failed{false};
std::atomic<size_t> refused_from{std::numeric_limits<size_t>::max()};
std::atomic<int64_t> refused{0}, live{0}, bytes_held{0};

bool fails() {
  if (until_failure.load(std::memory_order_relaxed) == kNever) return false;
  const int64_t left = until_failure.fetch_sub(1);
  if (left > 0 || (left < 0 && only_one)) return false;
  failed = true;
  return true;
}

// Sizes of live blocks. Its own memory is not counted and does not fail.
template <class T>
struct PlainAllocator {
  using value_type = T;
  PlainAllocator() = default;
  template <class U>
  PlainAllocator(const PlainAllocator<U>&) {}
  // Of a container that keeps arrays of pointers as well.
  T* allocate(size_t count) {
    return static_cast<T*>(std::malloc(count * sizeof(T)));  // NOLINT(bugprone-sizeof-expression)
  }
  void deallocate(T* memory, size_t) { std::free(memory); }
  bool operator==(const PlainAllocator&) const { return true; }
};
using Sizes = std::unordered_map<const void*, size_t, std::hash<const void*>, std::equal_to<const void*>,
                                 PlainAllocator<std::pair<const void* const, size_t>>>;
std::mutex sizes_mutex;

Sizes& sizes() {
  static Sizes map;
  return map;
}

void* allocate(size_t bytes) noexcept {
  void* const memory = fails() ? nullptr : std::malloc(bytes ? bytes : 1);
  if (memory) ++live;
  return memory;
}

void* allocate_or_throw(size_t bytes) {
  if (void* const memory = allocate(bytes)) return memory;
  throw std::bad_alloc();
}

void release(void* memory) noexcept {
  if (memory) --live;
  std::free(memory);
}

}  // namespace

FailingMemory::FailingMemory(int64_t at, Failing failing) {
  only_one = failing == Failing::kOne, failed = false;
  until_failure = at;
}
FailingMemory::~FailingMemory() { until_failure = kNever; }
bool FailingMemory::reached() const { return failed; }

RefusedBlocks::RefusedBlocks(size_t bytes) { refused = 0, refused_from = bytes; }
RefusedBlocks::~RefusedBlocks() { refused_from = std::numeric_limits<size_t>::max(); }
int64_t RefusedBlocks::count() const { return refused; }

int64_t live_blocks() { return live; }
int64_t backend_bytes() { return bytes_held; }

// What the linker puts in front of cpu::allocate_aligned and cpu::free_aligned, and what lies behind it: the names are
// those of its option --wrap.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
void* __real__ZN8onespike3cpu16allocate_alignedEmbNS0_5PagesE(size_t bytes, bool zeroed, cpu::Pages pages);
void __real__ZN8onespike3cpu12free_alignedEPv(void* memory);

void* __wrap__ZN8onespike3cpu16allocate_alignedEmbNS0_5PagesE(size_t bytes, bool zeroed, cpu::Pages pages) {
  const bool refuse = bytes >= refused_from;
  refused += refuse;
  void* const memory =
      refuse || fails() ? nullptr : __real__ZN8onespike3cpu16allocate_alignedEmbNS0_5PagesE(bytes, zeroed, pages);
  if (!memory) return nullptr;
  const std::lock_guard<std::mutex> lock(sizes_mutex);
  sizes()[memory] = bytes;
  ++live, bytes_held += int64_t(bytes);
  return memory;
}

void __wrap__ZN8onespike3cpu12free_alignedEPv(void* memory) {
  if (memory) {
    const std::lock_guard<std::mutex> lock(sizes_mutex);
    const auto found = sizes().find(memory);
    --live, bytes_held -= int64_t(found->second);
    sizes().erase(found);
  }
  __real__ZN8onespike3cpu12free_alignedEPv(memory);
}
}
// NOLINTEND(bugprone-reserved-identifier)

}  // namespace onespike::test

// All of them: a sanitizer that keeps some of its own would call their mixture a mismatch.
void* operator new(size_t bytes) { return onespike::test::allocate_or_throw(bytes); }
void* operator new[](size_t bytes) { return onespike::test::allocate_or_throw(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return onespike::test::allocate(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return onespike::test::allocate(bytes); }
void operator delete(void* memory) noexcept { onespike::test::release(memory); }
void operator delete[](void* memory) noexcept { onespike::test::release(memory); }
void operator delete(void* memory, size_t) noexcept { onespike::test::release(memory); }
void operator delete[](void* memory, size_t) noexcept { onespike::test::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { onespike::test::release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { onespike::test::release(memory); }
