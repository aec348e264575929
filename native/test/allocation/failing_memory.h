// Memory that runs out where a test wants it to. Every allocation of the process passes through here: operator new is
// replaced, and the linker puts this in front of the CPU backend's own blocks (--wrap in CMakeLists.txt), so that the
// engine itself needs no hook.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onespike::test {

enum class Failing {
  kOne,  // one allocation fails, those behind it succeed
  kAll,  // it and all that follow
};

// While it lives, allocation number `at` (0, 1, ..) of all threads fails. One at a time.
class FailingMemory {
 public:
  FailingMemory(int64_t at, Failing failing);
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;

  bool reached() const;  // whether an allocation has failed
};

// While it lives, blocks of the CPU backend of `bytes` or more cannot be had.
class RefusedBlocks {
 public:
  explicit RefusedBlocks(size_t bytes);
  ~RefusedBlocks();
  RefusedBlocks(const RefusedBlocks&) = delete;

  int64_t count() const;  // that were refused
};

int64_t live_blocks();    // allocations of both kinds that were not freed yet
int64_t backend_bytes();  // in live blocks of CPU backends, as they were asked for

}  // namespace onespike::test
