// Memory of the CPU backend: aligned for the widest vector, and scratch that only ever grows.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace onespike::cpu {

constexpr size_t kAlignment = 64;

// Of a large block: fast ones, or those that take no more memory than is touched. What is reserved for the worst case
// wants the latter.
enum class Pages { kLarge, kAsTouched };

// Null when the machine has no room for it now. Large blocks are the system's own pages: they go back to it when freed,
// and a zeroed one takes no memory before it is touched.
void* allocate_aligned(size_t bytes, bool zeroed = false, Pages pages = Pages::kLarge);
void free_aligned(void* memory);

// Uninitialised; contents are lost when it grows.
template <class T>
class Scratch {
 public:
  T* reserve(size_t count, Pages pages = Pages::kLarge) {
    if (count > capacity_) {
      data_.reset();
      capacity_ = 0;
      data_.reset(static_cast<T*>(allocate_aligned(count * sizeof(T), false, pages)));
      if (!data_) throw std::bad_alloc();
      capacity_ = count;
    }
    return data_.get();
  }
  T* data() const { return data_.get(); }
  size_t bytes() const { return capacity_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* memory) const { free_aligned(memory); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t capacity_ = 0;
};

}  // namespace onespike::cpu
