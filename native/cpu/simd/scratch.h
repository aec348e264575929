// Scratch of the CPU backend: memory that operations keep for their next call and that only ever grows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/simd/memory.h"

namespace onespike::cpu {

class ScratchBlock;

// All scratch of one backend: what operations keep for their next call. Every Scratch joins one when it is made, so
// that none can be left out of what is counted and what is freed. Joining and leaving belong to the thread that
// calls the backend; workers may use what was reserved for them.
class ScratchSet {
 public:
  ScratchSet() = default;
  ScratchSet(const ScratchSet&) = delete;

  int64_t bytes() const;  // held now
  void release();         // gives everything back; every Scratch can be reserved again

 private:
  friend class ScratchBlock;
  ScratchBlock* first_ = nullptr;
};

// A block of a set, uninitialised; contents are lost when it grows.
class ScratchBlock {
 protected:
  explicit ScratchBlock(ScratchSet& set);
  ScratchBlock(ScratchBlock&& other) noexcept;
  ~ScratchBlock();

  void* reserve_bytes(size_t bytes, Pages pages);
  void* memory() const { return memory_; }
  void release();

 private:
  friend class ScratchSet;
  void join();

  ScratchSet* set_;
  ScratchBlock *next_ = nullptr, *before_ = nullptr;  // of the set
  void* memory_ = nullptr;
  size_t bytes_ = 0;
};

template <class T>
class Scratch : private ScratchBlock {
 public:
  explicit Scratch(ScratchSet& set) : ScratchBlock(set) {}

  // Throws std::bad_alloc, and then holds nothing.
  T* reserve(size_t count, Pages pages = Pages::kLarge) {
    return static_cast<T*>(reserve_bytes(count * sizeof(T), pages));
  }
  T* data() const { return static_cast<T*>(memory()); }
  T& operator[](int64_t i) const { return data()[i]; }
  using ScratchBlock::release;
};

}  // namespace onespike::cpu
