// Memory of a backend that a test fills and reads, and that is released with this object.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "test/support/runner.h"

namespace onespike::test {

// The backend is destroyed after it.
class HeldMemory {
 public:
  explicit HeldMemory(Backend& backend) : backend_(backend) {}
  ~HeldMemory() { release(); }
  HeldMemory(const HeldMemory&) = delete;

  // Zeros.
  template <class T>
  T* hold(int64_t count) {
    held_.push_back(backend_.allocate(size_t(count) * sizeof(T)));
    expect(held_.back() != nullptr, "memory of the backend");
    return static_cast<T*>(held_.back());
  }
  template <class T>
  T* upload(const std::vector<T>& values) {
    T* to = hold<T>(int64_t(values.size()));
    backend_.upload(to, values.data(), values.size() * sizeof(T));
    return to;
  }
  // After all work that was asked for.
  template <class T>
  std::vector<T> download(const T* from, int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    backend_.download(values.data(), from, values.size() * sizeof(T));
    expect_ok(backend_.finish(), "work of the backend");
    return values;
  }
  void release() {
    for (void* memory : held_) backend_.release(memory);
    held_.clear();
  }

 private:
  Backend& backend_;
  std::vector<void*> held_;
};

}  // namespace onespike::test
